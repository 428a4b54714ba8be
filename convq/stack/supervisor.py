"""Start again what dies, less and less eagerly, and say so."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from convq.stack.guard import GUARD
from convq.stack.process import Process

FIRST_DELAY = 0.2
LONGEST_DELAY = 10.0
# A process that ran this long was healthy; its next death is a new story.
STABLE = 30.0
_LOOK = 0.05


@dataclass(frozen=True)
class Death:
    """A child ended that should have gone on, or could not be started again.

    Attributes
    ----------
    name : str
        Of the process.
    reason : str
        How it ended, in words.
    delay : float
        Seconds until it is started again.
    last_lines : tuple of str
        The end of its log.
    """

    name: str
    reason: str
    delay: float
    last_lines: tuple[str, ...]


class Supervisor:
    """A thread that watches started processes until it is stopped.

    Parameters
    ----------
    processes : sequence of Process
        What shall go on running.
    on_death : callable
        Called with each :class:`Death`, from the thread.
    """

    def __init__(self, processes: Sequence[Process], on_death: Callable[[Death], None]) -> None:
        self._watched = [_Watched(process) for process in processes]
        self._on_death = on_death
        self._over = threading.Event()
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more; the processes are left as they are."""
        self._over.set()
        self._thread.join()

    @contextmanager
    def looking_away(self) -> Iterator[None]:
        """Let the caller end and start processes without being taken for a death."""
        with self._turn:
            yield

    def _watch(self) -> None:
        while not self._over.wait(_LOOK):
            with self._turn:
                GUARD.ensure()
                for watched in self._watched:
                    if death := watched.look(time.monotonic()):
                        # A terminal that has gone away must not end the watch.
                        with suppress(OSError):
                            self._on_death(death)


class _Watched:
    def __init__(self, process: Process) -> None:
        self.process = process
        self.deaths = 0
        self.started = time.monotonic()
        self.start_at: float | None = None

    def look(self, now: float) -> Death | None:
        if self.process.running():
            return None
        if self.start_at is None:
            status = self.process.returncode
            assert status is not None
            return self._start_later(now, _reason(status))
        if now < self.start_at:
            return None
        self.start_at = None
        self.started = now
        try:
            self.process.start()
        except OSError as error:
            return self._start_later(now, f"cannot be started: {error}")
        return None

    def _start_later(self, now: float, reason: str) -> Death:
        if now - self.started > STABLE:
            self.deaths = 0
        delay = min(FIRST_DELAY * 2**self.deaths, LONGEST_DELAY)
        self.deaths += 1
        self.start_at = now + delay
        return Death(self.process.name, reason, delay, tuple(self.process.last_lines()))


def _reason(status: int) -> str:
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}"
