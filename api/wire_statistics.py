"""What the service answers about its work as a whole, as models."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from core.store.history import Window
from core.store.states import Priority
from core.store.workers import WorkerState


def _line(ready: int, running: int, oldest: float | None) -> dict[str, Any]:
    return {"ready": ready, "running": running, "delayed": 0, "oldest_seconds": oldest}


class Line(BaseModel):
    """Jobs that have not ended."""

    ready: int = Field(description="Could begin.")
    running: int
    delayed: int = Field(description="Wait for jobs that they have begun.")
    oldest_seconds: float | None = Field(description="Age of the job that is ready for longest.")


class Percentiles(BaseModel):
    """Seconds below which half, nine of ten, and 99 of 100 lie, each within 4.3 %."""

    p50: float | None = Field(description="Null if there is nothing to tell of.")
    p90: float | None
    p99: float | None


class Past(BaseModel):
    """What happened within some time."""

    seconds: float = Field(description="How long that was.")
    submitted: int
    succeeded: int
    failed: int
    cancelled: int
    per_minute: float = Field(description="Jobs that ended.")
    waited: Percentiles = Field(description="From entering the queue to the first attempt.")
    ran: Percentiles = Field(description="From the first attempt to the end.")


class PastPoint(Past):
    """What happened within one step."""

    at: datetime = Field(description="When it began.")


class Stats(BaseModel):
    """How the service fares."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "at": "2026-11-22T12:00:00Z",
                    "paused": False,
                    "ready": 3,
                    "running": 1,
                    "delayed": 0,
                    "dead": 2,
                    "oldest_seconds": 4.2,
                    "priorities": {
                        "interactive": _line(0, 0, None),
                        "normal": _line(3, 1, 4.2),
                        "batch": _line(0, 0, None),
                    },
                    "recent": {
                        "seconds": 330.0,
                        "submitted": 124,
                        "succeeded": 118,
                        "failed": 2,
                        "cancelled": 0,
                        "per_minute": 21.8,
                        "waited": {"p50": 0.012, "p90": 0.4, "p99": 2.1},
                        "ran": {"p50": 0.031, "p90": 0.2, "p99": 1.3},
                    },
                    "workers": {
                        "up": 1,
                        "busy": 1,
                        "draining": 0,
                        "out": 0,
                        "unknown": 0,
                        "down": 0,
                    },
                }
            ]
        }
    )

    at: datetime
    paused: bool = Field(description="Whether no job begins until the queue is resumed.")
    ready: int = Field(description="Jobs that could begin.")
    running: int
    delayed: int = Field(description="Jobs that wait for those that they have begun.")
    dead: int = Field(description="Jobs that failed; each can be tried again.")
    oldest_seconds: float | None = Field(description="Age of the job that is ready for longest.")
    priorities: dict[Priority, Line]
    recent: Past = Field(description="The last five minutes, and the one that is not over.")
    workers: dict[WorkerState, int] = Field(description="Workers in each state.")


class History(BaseModel):
    """What happened, step by step."""

    window: Window
    step_seconds: int
    total: Past
    points: list[PastPoint] = Field(description="Oldest first; the last one is not over.")


class Ratios(BaseModel):
    """What half, nine of ten, and 99 of 100 lie below, each within 4.3 %."""

    p50: float | None = Field(description="Null if there is nothing to tell of.")
    p90: float | None
    p99: float | None


class PlanFigures(BaseModel):
    """How well plans that chose an algorithm agreed with what it took."""

    algorithm: str
    inputs: int = Field(description="That were computed by it.")
    seconds: Percentiles = Field(description="Measured, of an input.")
    overrun: Ratios = Field(description="Measured over predicted seconds.")
    regret: Ratios = Field(
        description="Time of the algorithm that is predicted to be the fastest over that of the "
        "one that is, where both were timed (method measure); that prediction is counted."
    )


class Plans(BaseModel):
    """How good plans were, by algorithm."""

    algorithms: list[PlanFigures]
