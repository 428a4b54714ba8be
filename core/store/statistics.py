"""How much there is to do and what was done, for whoever looks at the service as a whole.

The scripts that change a job's state count it in the same transaction
(``core/store/lua/_history.lua``). So history outlives every process, what is counted is what
happened, and reading costs the same however many jobs there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from core.store.base import RedisStore
from core.store.connection import server_ms
from core.store.history import WINDOWS, Point, Window, tally
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
