"""TCP ports: find a free one, or say clearly that the wanted one is taken."""

from __future__ import annotations

import errno
import socket

from core.errors import Conflict, InvalidInput


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that nothing listens on at the moment.

    Parameters
    ----------
    host : str
        Address of the interface.

    Returns
    -------
    int
        Port number.

    Raises
    ------
    InvalidInput
        When `host` is no address of this machine.

    Examples
    --------
    >>> 0 < free_port() < 65536
    True
    """
    return claim_port(0, host)


def claim_port(port: int, host: str) -> int:
    """Return `port` if a server may listen on it, or any free port when it is 0.

    Parameters
    ----------
    port : int
        0 to 65535; 0 stands for any.
    host : str
        Address of the interface.

    Returns
    -------
    int
        Port number.

    Raises
    ------
    Conflict
        When another program listens on the port.
    InvalidInput
        When the port is no port, may not be used by this user, or `host` is no address of this
        machine.
    """
    if not 0 <= port <= 65535:
        raise InvalidInput("no such port", field="port", given=port, accepted="0 to 65535")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise InvalidInput(
            "no such address", field="host", given=host, accepted="127.0.0.1, 0.0.0.0, a name"
        ) from error
    with socket.socket(family, kind) as probe:
        # As the server itself does: connections that linger after a stop are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise _refusal(error, port, host) from error
        found: int = probe.getsockname()[1]
        return found


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
