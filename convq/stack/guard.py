"""No child outlives this process, not even when it is killed with ``kill -9``.

A guard is a tiny process that holds the reading end of a pipe. Every process group that is started
here is told to it. When this process goes, however it goes, the pipe closes and the guard kills
what is left of those groups: also the children of children, which the kernel's own "tell me when my
parent dies" cannot reach, and on every Unix.

The file runs by itself, with the standard library only, so that a guard starts in milliseconds.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress


class Guard:
    """The living side: tells the guard process which process groups to watch.

    There is one for each Python process, :data:`GUARD`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The guard's process id, or None when there was nothing to guard yet."""
        return self._process.pid if self._process else None

    def protect(self, group: int) -> None:
        """Have the process group killed when this process ends."""
        with self._lock:
            self._ensure()
            self._groups.add(group)
            self._tell(f"+{group}\n")

    def release(self, group: int) -> None:
        """Forget a process group; it is gone."""
        with self._lock:
            if group in self._groups:
                self._groups.discard(group)
                self._tell(f"-{group}\n")

    def ensure(self) -> None:
        """Replace the guard process if somebody killed it."""
        with self._lock:
            if self._groups:
                self._ensure()

    def close(self) -> None:
        """Let the guard go; it kills what is still protected."""
        with self._lock:
            if self._process is not None:
                self._process.communicate()
                self._process = None
                self._groups.clear()

    def _ensure(self) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                return
            assert self._process.stdin is not None
            self._process.stdin.close()
        self._process = subprocess.Popen(  # noqa: S603 - our own file
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            # Out of reach of the terminal's Ctrl-C and of a kill of the whole foreground group.
            start_new_session=True,
        )
        self._tell("".join(f"+{group}\n" for group in self._groups))

    def _tell(self, lines: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        # A guard that was killed this moment is replaced, with all groups, by the next `ensure`.
        with suppress(BrokenPipeError):
            self._process.stdin.write(lines.encode())


GUARD = Guard()
atexit.register(GUARD.close)


def watch(lines: Iterable[str]) -> None:
    """Follow ``+group`` and ``-group`` until the lines end, then kill the groups that remain."""
    groups: set[int] = set()
    for line in lines:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    watch(sys.stdin)
