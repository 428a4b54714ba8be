"""TCP ports: keep a free one, or say clearly that the wanted one is taken."""

from __future__ import annotations

import errno
import socket
import sys
import weakref

from core.errors import Conflict, InvalidInput


class ReservedPort:
    """A TCP port that is kept for a server which this process is about to start.

    A port that was merely found free may be given to any other program, or to a connection that
    leaves this machine, before the server listens. On Linux the port is therefore held: it is bound
    here and does not listen, so that only a server that asks for this very port with
    ``SO_REUSEADDR``, as Redis and uvicorn do, gets it. It stays held while a server that crashed is
    started again. Other systems know no such thing; there the port is only found.

    Parameters
    ----------
    port : int
        0 to 65535; 0 stands for any free one.
    host : str
        Address of the interface.

    Attributes
    ----------
    number : int
        The port, 1 to 65535.

    Raises
    ------
    Conflict
        When another program listens on the port.
    InvalidInput
        When the port is no port, may not be used by this user, or `host` is no address of this
        machine.

    Examples
    --------
    >>> port = ReservedPort()
    >>> 0 < port.number < 65536
    True
    >>> port.release()
    """

    def __init__(self, port: int = 0, host: str = "127.0.0.1") -> None:
        holder = _bind(port, host)
        self.number: int = holder.getsockname()[1]
        # Not left to the garbage collector, which warns of an open socket.
        self._close = weakref.finalize(self, holder.close)
        if sys.platform != "linux":
            self.release()

    def release(self) -> None:
        """Give the port back; a server that listens on it goes on."""
        self._close()


def _bind(port: int, host: str) -> socket.socket:
    if not 0 <= port <= 65535:
        raise InvalidInput("no such port", field="port", given=port, accepted="0 to 65535")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise InvalidInput(
            "no such address", field="host", given=host, accepted="127.0.0.1, 0.0.0.0, a name"
        ) from error
    holder = socket.socket(family, kind)
    # As the server itself does: connections that linger after a stop are no obstacle.
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind(address)
    except OSError as error:
        holder.close()
        raise _refusal(error, port, host) from error
    return holder


def _refusal(error: OSError, port: int, host: str) -> Conflict | InvalidInput:
    if error.errno == errno.EADDRINUSE:
        return Conflict(
            f"port {port} on {host} is in use by another program",
            field="port",
            given=port,
            accepted="another --port, or --port 0 for any free one",
        )
    if error.errno == errno.EACCES:
        return InvalidInput(
            f"this user may not listen on port {port}",
            field="port",
            given=port,
            accepted="1024 to 65535, or 0 for any free one",
        )
    return InvalidInput(
        f"this machine cannot listen on {host}: {error.strerror}",
        field="host",
        given=host,
        accepted="an address of this machine, such as 127.0.0.1 or 0.0.0.0",
    )
