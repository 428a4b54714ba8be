"""What a schedule is: a Spec and the learning rate of every step.

A schedule is one file that ends with ``SCHEDULE = Schedule(...)``, and two lines in
`core.nets.schedules`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field


class ScheduleSpec(BaseModel):
    """Base of the description of every schedule."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    schedule: str
    rate: float = Field(gt=0, le=100, description="The highest learning rate.")


SpecT = TypeVar("SpecT", bound=ScheduleSpec)


@dataclass(frozen=True)
class Schedule(Generic[SpecT]):
    """A kind of schedule.

    Attributes
    ----------
    name : str
        The value of ``schedule`` in its description.
    spec : type
        The pydantic model of the description.
    rate : callable
        ``(spec, step, total_steps) -> float``: the learning rate of a step, ``0 <= step <
        total_steps``. It depends on nothing else.
    """

    name: str
    spec: type[SpecT]
    rate: Callable[[SpecT, int, int], float]


def cosine_between(start: float, end: float, share: float) -> float:
    """Go from ``start`` to ``end`` along half a wave, ``share`` being 0 to 1.

    Examples
    --------
    >>> [round(cosine_between(1.0, 0.0, share), 3) for share in (0.0, 0.25, 0.5, 1.0)]
    [1.0, 0.854, 0.5, 0.0]
    """
    return end + (start - end) * (1 + cos(pi * share)) / 2
