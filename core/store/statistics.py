"""How much there is to do and what was done, for whoever looks at the service as a whole.

The scripts that change a job's state count it in the same transaction
(``core/store/lua/_history.lua``). So history outlives every process, what is counted is what
happened, and reading costs the same however many jobs there are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from core.store.base import RedisStore
from core.store.connection import server_ms
from core.store.history import WINDOWS, Point, Window, tally
from core.store.sketch import quantiles
from core.store.states import Priority
from core.store.tenants import DEFAULT, space


class Line(NamedTuple):
    """The jobs of one priority that have not ended.

    Attributes
    ----------
    priority : {"interactive", "normal", "batch"}
        Theirs.
    ready, running, delayed : int
        How many could begin, have begun, and wait for jobs that they have begun.
    since : float or None
        When the one that has been ready for longest came, in seconds since the epoch.
    """

    priority: Priority
    ready: int
    running: int
    delayed: int
    since: float | None


class Past(NamedTuple):
    """What happened until ``now`` (seconds since the epoch by Redis' clock), oldest first."""

    now: float
    points: list[Point]


class PlanFigures(NamedTuple):
    """How well plans that chose an algorithm agreed with what it took.

    Attributes
    ----------
    algorithm : str
        Which.
    inputs : int
        How many were computed by it.
    seconds, overrun, regret : list of float or None
        Below which half, nine of ten and 99 of 100 lie: measured seconds of an input, that over the
        predicted seconds, and the time of the one that is predicted to be the fastest over that of
        the one that is, where all near candidates were timed.
    """

    algorithm: str
    inputs: int
    seconds: list[float | None]
    overrun: list[float | None]
    regret: list[float | None]


# By what is counted: how many of its units are a whole. Microseconds, and 64ths.
_UNITS = {"computed": 1e6, "overrun": 64, "regret": 64}
_SHARES = (0.5, 0.9, 0.99)


def _shares(counts: Counter[int], unit: float) -> list[float | None]:
    # A sketch tells thousandths of its unit, which for times of jobs is a millisecond.
    found = quantiles(counts, _SHARES)
    return [None if value is None else float(f"{1000 * value / unit:.3g}") for value in found]


class Statistics(RedisStore):
    """Reads what the scripts have counted.

    Parameters
    ----------
    client : redis.Redis
        A client that decodes responses.
    prefix : str
        First part of every key.
    """

    def tenants(self) -> list[str]:
        """Return everybody who has ever submitted a job."""
        return sorted({DEFAULT} | self._redis.smembers(f"{self._prefix}:tenants"))

    def lines(self, tenant: str) -> list[Line]:
        """Return what a tenant has in the queue, the priority that goes first first."""
        return [
            Line(priority, ready, running, delayed, int(since) / 1000 if since else None)
            for priority, ready, running, delayed, since in self._scripts.run("depth", tenant)
        ]

    def past(self, tenant: str, window: Window, last: int | None = None) -> Past:
        """Return what happened to a tenant's jobs, with the buckets in which nothing did.

        Parameters
        ----------
        tenant : str
            Whose jobs.
        window : {"hour", "day", "week"}
            How far back; the last bucket is the one that is filled now.
        last : int, optional
            Only so many buckets, from the end.
        """
        steps = WINDOWS[window]
        now = server_ms(self._redis) / 1000
        end = int(now) // steps.seconds + 1
        indices = range(end - (last or steps.buckets), end)
        pipeline = self._redis.pipeline(transaction=False)
        for index in indices:
            pipeline.hgetall(f"{space(self._prefix, tenant)}:history:{steps.seconds}:{index}")
        found = zip(indices, pipeline.execute(), strict=True)
        return Past(now, [Point(index * steps.seconds, tally(fields)) for index, fields in found])

    def plans(self) -> list[PlanFigures]:
        """Return how well what was planned agreed with what it took, of all tenants."""
        counts: dict[str, dict[str, Counter[int]]] = defaultdict(lambda: defaultdict(Counter))
        for name, number in self.sums().items():
            if name[0] in _UNITS and len(name) == len(("name", "algorithm", "bucket")):
                counts[name[1]][name[0]][int(name[2])] = number
        return [
            PlanFigures(
                algorithm,
                found["computed"].total(),
                *(_shares(found[name], unit) for name, unit in _UNITS.items()),
            )
            for algorithm, found in sorted(counts.items())
        ]

    def sums(self) -> dict[tuple[str, ...], int]:
        """Return what was counted since the service exists, of all tenants, by the parts of names.

        They are ``submitted:KIND``, ``ended:KIND:STATE``, ``attempts:OUTCOME``, ``retried``, of
        times ``waited:KIND:BUCKET`` and ``ran:KIND:BUCKET`` with ``waited_ms:KIND`` and
        ``ran_ms:KIND``, and what workers `add`.
        """
        found: dict[str, str] = self._redis.hgetall(f"{self._prefix}:sums")
        return {tuple(name.split(":")): int(number) for name, number in found.items()}

    def add(self, numbers: Mapping[str, int]) -> None:
        """Add numbers to the sums of the same names, in one round trip."""
        pipeline = self._redis.pipeline(transaction=False)
        for name, number in numbers.items():
            pipeline.hincrby(f"{self._prefix}:sums", name, number)
        pipeline.execute()
