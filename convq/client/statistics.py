"""How the service fares and has fared: answers, and how they are asked for."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from convq.client.flow import Flow
from convq.client.models import Model
from convq.client.operations import get


class Percentiles(Model):
    """Seconds below which half, nine of ten, and 99 of 100 lie, each within 4.3 %."""

    p50: float | None = None
    p90: float | None = None
    p99: float | None = None


class Past(Model):
    """What happened within some ``seconds``.

    ``per_minute`` is how many jobs ended. They ``waited`` for their first attempt and ``ran`` from
    there to their end.
    """

    seconds: float
    submitted: int
    succeeded: int
    failed: int
    cancelled: int
    per_minute: float
    waited: Percentiles
    ran: Percentiles


class PastPoint(Past):
    """What happened within one step, which began ``at`` some moment."""

    at: datetime


class Line(Model):
    """Jobs that have not ended; those that are ``delayed`` wait for others that they have begun."""

    ready: int
    running: int
    delayed: int
    oldest_seconds: float | None = None


class Stats(Model):
    """How the service fares.

    ``dead`` jobs have failed and may be tried again. ``recent`` is about the last five minutes, and
    ``workers`` counts those in each state.
    """

    at: datetime
    paused: bool
    ready: int
    running: int
    delayed: int
    dead: int
    oldest_seconds: float | None = None
    priorities: dict[str, Line] = Field(default_factory=dict)
    recent: Past
    workers: dict[str, int] = Field(default_factory=dict)


class History(Model):
    """What happened, in ``points`` of ``step_seconds`` each, the oldest first."""

    window: str
    step_seconds: int
    total: Past
    points: list[PastPoint]


class PlanFigures(Model):
    """How well plans that chose an algorithm agreed with what it took, for so many ``inputs``.

    ``overrun`` is measured over predicted time, ``regret`` the time of the algorithm that is
    predicted to be the fastest over that of the one that is, where both were timed.
    """

    algorithm: str
    inputs: int
    seconds: Percentiles
    overrun: Percentiles
    regret: Percentiles


class _Plans(Model):
    algorithms: list[PlanFigures]


def plan_figures() -> Flow[list[PlanFigures]]:
    """Read how good plans were."""
    found = yield from get("/v1/stats/plans", _Plans)
    return found.algorithms


def stats() -> Flow[Stats]:
    """Read how the service fares."""
    return get("/v1/stats", Stats)


def history(window: Literal["hour", "day", "week"]) -> Flow[History]:
    """Read how it has fared."""
    return get("/v1/stats/history", History, window=window)
