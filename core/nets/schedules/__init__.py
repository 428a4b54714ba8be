"""The schedules of learning rates; a new one is one file and two lines here."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import Field

from core.nets.schedules import constant, cosine, one_cycle, step
from core.nets.schedules.schedule import Schedule, ScheduleSpec

SCHEDULES: tuple[Schedule[Any], ...] = (
    constant.SCHEDULE,
    cosine.SCHEDULE,
    one_cycle.SCHEDULE,
    step.SCHEDULE,
)

# Written out because a type checker reads a union, not a loop; a test holds it to SCHEDULES.
AnySchedule: TypeAlias = Annotated[
    constant.ConstantSpec | cosine.CosineSpec | one_cycle.OneCycleSpec | step.StepSpec,
    Field(discriminator="schedule"),
]

_BY_NAME = {schedule.name: schedule for schedule in SCHEDULES}


def schedule_of(spec: ScheduleSpec) -> Schedule[Any]:
    """Return the schedule that ``spec`` describes.

    Examples
    --------
    >>> schedule_of(constant.ConstantSpec(schedule="constant", rate=0.1)).name
    'constant'
    """
    return _BY_NAME[spec.schedule]
