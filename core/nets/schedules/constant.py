"""The same learning rate from first to last."""

from __future__ import annotations

from typing import Literal

from core.nets.schedules.schedule import Schedule, ScheduleSpec


class ConstantSpec(ScheduleSpec):
    """The same learning rate from first to last."""

    schedule: Literal["constant"]


def rate(spec: ConstantSpec, step: int, total_steps: int) -> float:
    """Return the rate.

    Examples
    --------
    >>> rate(ConstantSpec(schedule="constant", rate=0.1), 7, 10)
    0.1
    """
    return spec.rate


SCHEDULE = Schedule(name="constant", spec=ConstantSpec, rate=rate)
