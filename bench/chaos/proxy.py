"""A network that can be cut: a TCP proxy between one worker and Redis."""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import suppress

_CHUNK = 1 << 16


class Proxy:
    """Forwards connections to a port of this machine until it is told otherwise.

    Parameters
    ----------
    target : int
        Port on 127.0.0.1 that the connections go to.
    host : str
        Address to listen on.

    Attributes
    ----------
    port : int
        Where it listens.
    """

    def __init__(self, target: int, host: str = "127.0.0.1") -> None:
        self._target = target
        self._listener = socket.create_server((host, 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._flows = threading.Event()
        self._flows.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Let nothing through from now on; connections stay open and silent, as in a cut cable."""
        self._flows.clear()

    def mend(self) -> None:
        """Let everything through again."""
        self._flows.set()

    def reset(self) -> None:
        """Break all connections, as a firewall does that has forgotten them."""
        with self._lock:
            broken = list(self._pairs)
        for pair in broken:
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Listen no more, and break all connections."""
        self._listener.close()
        self.mend()
        self.reset()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        self._flows.wait()
        try:
            far = socket.create_connection(("127.0.0.1", self._target), timeout=5)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        with self._lock:
            self._pairs.add((near, far))
        try:
            self._pump(near, far)
        finally:
            with self._lock:
                self._pairs.discard((near, far))
            near.close()
            far.close()

    def _pump(self, near: socket.socket, far: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(near, selectors.EVENT_READ, far)
            selector.register(far, selectors.EVENT_READ, near)
            while True:
                for key, _ in selector.select():
                    self._flows.wait()
                    assert isinstance(key.fileobj, socket.socket)
                    try:
                        data = key.fileobj.recv(_CHUNK)
                        if not data:
                            return
                        key.data.sendall(data)
                    except OSError:
                        return
