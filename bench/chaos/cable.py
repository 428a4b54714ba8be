"""A cable that can be pulled: a worker with a network namespace of its own."""

from __future__ import annotations

import os
import subprocess

# Of the range that is set aside for measuring networks (RFC 2544); four addresses a cable.
_ADDRESSES = "198.18.{}.{}"


class Cable:
    """A network namespace, joined to this machine by two virtual network cards.

    Parameters
    ----------
    which : int
        Of this process's cables: 0 to 3.

    Attributes
    ----------
    address : str
        Of this machine, as seen from the namespace.
    """

    def __init__(self, which: int = 0) -> None:
        number = (os.getpid() + (which << 12)) % (1 << 14)
        third, fourth = divmod(4 * number, 256)
        self.address = _ADDRESSES.format(third, fourth + 1)
        self._far_address = _ADDRESSES.format(third, fourth + 2)
        self._space = f"convq-{number}"
        self._near, self._far = f"cq{number}n", f"cq{number}f"

    def refuses(self) -> str | None:
        """Lay it; return None, or why that is not possible here."""
        if os.geteuid() != 0:
            return "only root can make a network namespace"
        near, far, space = self._near, self._far, self._space
        commands = (
            ["ip", "netns", "add", space],
            ["ip", "link", "add", near, "type", "veth", "peer", far, "netns", space],
            ["ip", "address", "add", f"{self.address}/30", "dev", near],
            ["ip", "link", "set", near, "up"],
            self.inside("ip", "address", "add", f"{self._far_address}/30", "dev", far),
            self.inside("ip", "link", "set", far, "up"),
            self.inside("ip", "link", "set", "lo", "up"),
        )
        for command in commands:
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=False)
            except FileNotFoundError:
                return f"{command[0]} is missing (Debian: apt-get install iproute2 util-linux)"
            if done.returncode != 0:
                self.remove()
                return done.stderr.strip()
        return None

    def inside(self, *command: str) -> list[str]:
        """Return the command that runs ``command`` in the namespace, as the same process."""
        return ["nsenter", f"--net=/run/netns/{self._space}", *command]

    def cut(self) -> None:
        """Pull it: nothing arrives any more, and nobody is told."""
        self._set("down")

    def mend(self) -> None:
        """Plug it in again."""
        self._set("up")

    def remove(self) -> None:
        """Take it away, with the namespace; the kernel takes the cards."""
        subprocess.run(["ip", "netns", "delete", self._space], capture_output=True, check=False)

    def _set(self, state: str) -> None:
        subprocess.run(["ip", "link", "set", self._near, state], check=True)
