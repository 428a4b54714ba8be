"""Counts and times of the past: what happened in a minute, an hour, a week."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from core.store.sketch import quantiles

Window: TypeAlias = Literal["hour", "day", "week"]


class Steps(NamedTuple):
    """How a window is divided: ``buckets`` of ``seconds`` each, the last one still open."""

    seconds: int
    buckets: int


WINDOWS: dict[Window, Steps] = {
    "hour": Steps(60, 60),
    "day": Steps(600, 144),
    "week": Steps(3600, 168),
}

_ENDS = ("succeeded", "failed", "cancelled")
_SHARES = (0.5, 0.9, 0.99)


class Percentiles(NamedTuple):
    """Times in seconds, each within 4.3 %; None where nothing was timed."""

    p50: float | None
    p90: float | None
    p99: float | None


@dataclass(frozen=True)
class Tally:
    """What happened within some time.

    Attributes
    ----------
    submitted, succeeded, failed, cancelled : int
        Jobs.
    waited_in, ran_in : Counter
        Of the jobs that ended: how many waited for their first attempt, and ran from there to
        their end, so long, by bucket of `core.store.sketch`.
    """

    submitted: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    waited_in: Counter[int] = field(default_factory=Counter)
    ran_in: Counter[int] = field(default_factory=Counter)

    @property
    def ended(self) -> int:
        """Jobs that ended, however they did."""
        return self.succeeded + self.failed + self.cancelled

    @property
    def waited(self) -> Percentiles:
        """How long jobs waited."""
        return Percentiles(*quantiles(self.waited_in, _SHARES))

    @property
    def ran(self) -> Percentiles:
        """How long jobs ran."""
        return Percentiles(*quantiles(self.ran_in, _SHARES))


class Point(NamedTuple):
    """What happened in one bucket of time, which begins at ``at`` (seconds since the epoch)."""

    at: float
    tally: Tally


def total(points: Iterable[Point]) -> Tally:
    """Return what happened in all of the points together."""
    tallies = [point.tally for point in points]
    return Tally(
        **{name: sum(getattr(one, name) for one in tallies) for name in ("submitted", *_ENDS)},
        waited_in=sum((one.waited_in for one in tallies), Counter()),
        ran_in=sum((one.ran_in for one in tallies), Counter()),
    )


def tally(found: Mapping[str, str]) -> Tally:
    """Return what a bucket of time holds, of which these are the fields in Redis.

    Examples
    --------
    >>> tally({"submitted": "2", "succeeded": "1", "waited0": "1", "ran80": "1"}).ended
    1
    """
    counts = {name: int(found.get(name, 0)) for name in ("submitted", *_ENDS)}
    return Tally(**counts, waited_in=_buckets(found, "waited"), ran_in=_buckets(found, "ran"))


def _buckets(found: Mapping[str, str], name: str) -> Counter[int]:
    return Counter(
        {
            int(field.removeprefix(name)): int(count)
            for field, count in found.items()
            if field.startswith(name)
        }
    )
