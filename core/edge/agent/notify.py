"""Telling systemd that the agent has begun, and that it still lives.

Source: sd_notify(3): a datagram to the socket that ``NOTIFY_SOCKET`` names.
"""

import os
import socket


def notify(state: str) -> None:
    """Say something like ``READY=1``; nothing happens where no systemd listens."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    if path.startswith("@"):  # Linux' abstract name space
        path = "\0" + path[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            told.sendto(state.encode("ascii"), path)
    except OSError:
        pass  # it is not the agent's business that nobody listens
