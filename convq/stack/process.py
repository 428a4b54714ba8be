"""One child process: start, look, signal, kill, with its output in a log file."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import IO

from convq.stack.guard import GUARD

# The command begins only after the guard knows of it: the shell waits for a line and gives up at
# end of file. So there is no moment in which a kill of this process would leave a child behind.
_GATE = 'read -r _ && exec "$@" </dev/null'


class Process:
    """A command that can be started again and again, always as a process group of its own.

    Parameters
    ----------
    name : str
        What people call it, for example ``"worker-1"``.
    command : sequence of str
        Program and arguments.
    log : Path or None
        File to which standard output and standard error are appended; those of this process by
        default.
    environment : mapping of str to str, optional
        The whole environment of the command; this process's by default.
    keep : sequence of int
        File descriptors that the command inherits.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
        keep: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self.environment = environment
        self.keep = tuple(keep)
        self._popen: subprocess.Popen[bytes] | None = None
        # The supervisor's thread and the caller's may look at the same moment.
        self._lock = threading.RLock()

    @property
    def pid(self) -> int:
        """Process id, and process group, of the latest start."""
        assert self._popen is not None, f"{self.name} was never started"
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """Exit status of the latest start, minus the signal that ended it; None while it runs."""
        return self._popen.returncode if self._popen else None

    def start(self) -> None:
        """Start the command.

        Raises
        ------
        FileNotFoundError
            When the folder of the log does not exist.
        """
        with self._lock, self._output() as log:
            assert not self.running(), f"{self.name} runs already"
            self._popen = subprocess.Popen(  # noqa: S603 - no shell reads the arguments
                ["/bin/sh", "-c", _GATE, self.name, *self.command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=None if log is None else subprocess.STDOUT,
                env=self.environment,
                pass_fds=self.keep,
                bufsize=0,
                start_new_session=True,
            )
            GUARD.protect(self._popen.pid)
            assert self._popen.stdin is not None
            with suppress(BrokenPipeError), self._popen.stdin as gate:
                gate.write(b"\n")

    def running(self) -> bool:
        """Say whether the command runs; when it has ended, end what it started, too."""
        with self._lock:
            if self._popen is None or self._popen.returncode is not None:
                return False
            if self._popen.poll() is None:
                return True
            self._sweep()
            return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the command alone, not to its children; none when it has ended."""
        with self._lock:
            if self.running():
                self._require().send_signal(number)

    def kill(self) -> None:
        """Kill the command and all that it started, at once, and wait until it is gone."""
        with self._lock:
            if self.running():
                self._sweep()
                self._require().wait()

    def last_lines(self, count: int = 12) -> list[str]:
        """Return the end of the log, for a person who must find out what went wrong."""
        if self.log is None:
            return []
        with suppress(FileNotFoundError), self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - (64 << 10)))
            lines = log.read().decode(errors="replace").splitlines()
            return [line for line in lines if line.strip()][-count:]
        return []

    def _output(self) -> AbstractContextManager[IO[bytes] | None]:
        return nullcontext() if self.log is None else self.log.open("ab")

    def _require(self) -> subprocess.Popen[bytes]:
        assert self._popen is not None
        return self._popen

    def _sweep(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        GUARD.release(self.pid)


def stop(
    processes: Sequence[Process], *, deadline: float, hurry: threading.Event | None = None
) -> list[str]:
    """Ask processes to end, all at the same time; kill those that do not.

    Parameters
    ----------
    processes : sequence of Process
        Those to end; ones that do not run are left as they are.
    deadline : float
        Seconds between the request (SIGTERM) and the kill (SIGKILL).
    hurry : threading.Event, optional
        Setting it ends the waiting at once.

    Returns
    -------
    list of str
        Names of the processes that had to be killed.
    """
    for process in processes:
        process.signal(signal.SIGTERM)
    end = time.monotonic() + deadline
    while any(process.running() for process in processes):
        if time.monotonic() > end or (hurry is not None and hurry.is_set()):
            break
        time.sleep(0.02)
    killed = [process.name for process in processes if process.running()]
    for process in processes:
        process.kill()
    return killed
