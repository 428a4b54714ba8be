"""When which fault strikes, and what became of whom it struck."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from dataclasses import dataclass

from redis.exceptions import RedisError

from bench.chaos.arena import Arena
from bench.chaos.faults import FAULTS, Fault, Missed
from core.errors import NotFound
from core.store.connection import server_ms
from core.store.jobs import JobStore
from core.store.states import TERMINAL

_TRIES = 10
_KILLS = sum(fault.share for fault in FAULTS if fault.kill)


@dataclass(frozen=True)
class Blow:
    """A fault that was done.

    Attributes
    ----------
    fault : str
        Its name.
    at : float
        When, in seconds since the epoch by the clock of Redis.
    struck : tuple of str
        Ids of the jobs that it struck.
    """

    fault: str
    at: float
    struck: tuple[str, ...]


class Campaign:
    """A thread that strikes, at moments and in an order that the seed decides.

    Parameters
    ----------
    arena : Arena
        What is struck.
    kills : int
        How many kills; other faults come in proportion.
    seconds : float
        How long it takes, at least.
    seed : int
        Decides order, moments and victims.
    """

    def __init__(self, arena: Arena, *, kills: int, seconds: float, seed: int) -> None:
        self.blows: list[Blow] = []
        self._arena = arena
        self._chance = random.Random(seed)
        self._seconds = seconds
        self._plan = _plan(arena, kills, self._chance)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._strike_all, daemon=True)
        self._lasting: list[threading.Thread] = []
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def running(self) -> bool:
        """Tell whether there is more to come."""
        return self._thread.is_alive() or any(thread.is_alive() for thread in self._lasting)

    def stop(self) -> None:
        """Strike no more; what was done for a while is undone first."""
        self._stop.set()
        self._thread.join()
        for thread in self._lasting:
            thread.join()

    def _strike_all(self) -> None:
        pause = self._seconds / max(1, len(self._plan))
        for fault in self._plan:
            if self._stop.wait(self._chance.uniform(0, 2 * pause)):
                return
            chance = random.Random(self._chance.random())
            # Some faults last, and others may strike meanwhile.
            thread = threading.Thread(target=self._strike, args=(fault, chance), daemon=True)
            thread.start()
            self._lasting.append(thread)

    def _strike(self, fault: Fault, chance: random.Random) -> None:
        for _ in range(_TRIES):
            try:
                strike = fault.strike(self._arena, chance)
                aimed = next(strike)
                # Not before it has found its victims, which may begin their work just then.
                at = server_ms(self._arena.redis) / 1000
                struck = [job for job in aimed if self._arena.jobs.get(job).state not in TERMINAL]
                deque(strike, maxlen=0)
            except (RedisError, NotFound, ProcessLookupError, Missed):
                # Another one has struck it down already; what was not done is not counted.
                self._stop.wait(1)
            else:
                with self._lock:
                    self.blows.append(Blow(fault.name, at, tuple(struck)))
                return


def _plan(arena: Arena, kills: int, chance: random.Random) -> list[Fault]:
    plan = [
        fault
        for fault in FAULTS
        if fault.needs not in arena.skipped
        for _ in range(max(1, round(fault.share * kills / _KILLS)))
    ]
    chance.shuffle(plan)
    return plan


def recovery(jobs: JobStore, since: float, job_id: str) -> float | None:
    """Return the seconds until a struck job ran again or had ended; None if it never did.

    A job that was not disturbed, because its worker lives on, counts until its own end, or that of
    its piece: how long the next piece waits in the queue is not the fault's doing.
    """
    moments = [
        float(event.data["at"])
        for event in jobs.events(job_id)
        if event.event == "state" and event.data["state"] in ("running", *TERMINAL)
    ]
    moments += [
        attempt.ended
        for attempt in jobs.attempts(job_id)
        if attempt.outcome == "continued" and attempt.ended is not None
    ]
    return min((moment - since for moment in moments if moment > since), default=None)


def settle(arena: Arena, ids: list[str], patience: float) -> bool:
    """Wait until all jobs have ended; False if for so long nothing moved any more."""
    left, moved = set(ids), time.monotonic()
    while left and time.monotonic() - moved < patience:
        try:
            ended = {job for job in left if arena.jobs.get(job).state in TERMINAL}
        except RedisError:
            ended = set()
        if ended:
            left -= ended
            moved = time.monotonic()
        time.sleep(0.2)
    return not left
