"""Reading a large body from its socket, past the event loop.

uvicorn receives a body in pieces of some 200 KB and copies each of them several times. For each,
the event loop is woken, stops reading and begins again. An endpoint may instead take over the rest
of a large body: it then waits in the event loop until something has come, and reads it in a thread.
"""

from __future__ import annotations

import asyncio
import select
import socket
from functools import partial
from os import dup
from typing import Any, Final

import httptools
from starlette.requests import ClientDisconnect
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

_EXTENSION: Final = "convq.body"
# What is smaller has mostly come by the time that it could be taken over.
_LARGE: Final = 1 << 20
# A thread waits so long for a client that has been fast until now.
_PATIENCE_MS: Final = 20


class Body:
    """The rest of a body, taken from uvicorn.

    Attributes
    ----------
    begun : bytes
        What uvicorn has received of it by now, and nobody has read.
    left : int
        How many bytes are still to be read.
    received : int
        How many bytes were received by now, with those of ``begun``.
    """

    def __init__(self, http: Protocol, cycle: RequestResponseCycle, left: int) -> None:
        self._http = http
        self._has_left = False
        self.begun = bytes(cycle.body)
        self.left = left
        self.received = len(self.begun)
        cycle.body = bytearray()
        if cycle.waiting_for_100_continue:
            cycle.waiting_for_100_continue = False
            http.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # Of its own, as event loops let nobody wait for the sockets of their connections.
        self._socket = socket.socket(fileno=dup(http.transport.get_extra_info("socket").fileno()))
        self._socket.setblocking(False)

    async def wait(self) -> None:
        """Wait until there is something to read, be it the end."""
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(self._socket.fileno(), readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(self._socket.fileno())

    def read(self, buffer: memoryview) -> memoryview:
        """Return what has come, at the beginning of ``buffer``; nothing of a slow client.

        Raises
        ------
        ClientDisconnect
            The client has left.
        """
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if not poll.poll(_PATIENCE_MS):
            return buffer[:0]
        try:
            count = self._socket.recv_into(buffer, min(len(buffer), self.left))
        except BlockingIOError:
            return buffer[:0]
        except OSError:
            count = 0
        if count == 0:
            self._has_left = True
            raise ClientDisconnect
        self.left -= count
        self.received += count
        return buffer[:count]

    def close(self) -> None:
        """Give the connection back; what is left of the body is passed over when it comes."""
        self._socket.close()
        if self._has_left:
            self._http.hang_up()
        else:
            self._http.go_on(self.left)


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol of a connection, whose large bodies can be taken over."""

    _received = 0
    _passed_over = 0

    def on_headers_complete(self) -> None:
        """Begin a request."""
        super().on_headers_complete()
        self._received = 0
        self.scope["extensions"] = {_EXTENSION: {"take": partial(self._take, self.cycle)}}

    def on_body(self, body: bytes) -> None:
        """Count what comes of the body."""
        self._received += len(body)
        super().on_body(body)

    def data_received(self, data: bytes) -> None:
        """Parse what comes, unless it is of a body that nobody wants any more."""
        if self._passed_over:
            self._unset_keepalive_if_required()
            count = min(self._passed_over, len(data))
            self._passed_over -= count
            data = data[count:]
        if data:
            super().data_received(data)

    def _take(self, cycle: RequestResponseCycle) -> Body | None:
        if cycle is not self.cycle or cycle.disconnected or self.scheme != "http":
            return None
        size = int(dict(cycle.scope["headers"]).get(b"content-length", 0))
        left = size - self._received
        if left < _LARGE:
            return None
        self.flow.pause_reading()
        return Body(self, cycle, left)

    def hang_up(self) -> None:
        """Close the connection of a client that has left."""
        # uvicorn has not read that the connection is over: it would answer 500 and log an error.
        self.cycle.disconnected = True
        self.transport.close()

    def go_on(self, left: int) -> None:
        """Read from the connection again, of whose last body so many bytes have not come."""
        if self.transport.is_closing():
            return
        # The old one waits for the rest of the body.
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        if left:
            self._passed_over = left
        else:
            self.on_message_complete()
        self.flow.resume_reading()


def take_over(scope: Scope) -> Body | None:
    """Return what is left of the body of a request, if it is much and can be taken over.

    The caller closes it.
    """
    extension: dict[str, Any] | None = scope.get("extensions", {}).get(_EXTENSION)
    if extension is None:
        return None
    body: Body | None = extension["take"]()
    extension["body"] = body
    return body


def received(scope: Scope) -> int:
    """Return how many bytes of a request were received by who took over its body."""
    body: Body | None = scope.get("extensions", {}).get(_EXTENSION, {}).get("body")
    return 0 if body is None else body.received
