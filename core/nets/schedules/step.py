"""A learning rate that falls by a factor at given points of the training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from core.nets.schedules.schedule import Schedule, ScheduleSpec

Share = Annotated[float, Field(gt=0, lt=1)]


class StepSpec(ScheduleSpec):
    """A learning rate that falls by a factor now and then."""

    schedule: Literal["step"]
    at: list[Share] = Field(
        default=[0.5, 0.75],
        min_length=1,
        max_length=32,
        description="When it falls, as shares of all steps.",
    )
    factor: float = Field(default=0.1, gt=0, lt=1, description="By what it is multiplied then.")


def rate(spec: StepSpec, step: int, total_steps: int) -> float:
    """Return ``rate * factor**(how many points are behind)``.

    Examples
    --------
    >>> spec = StepSpec(schedule="step", rate=1.0, factor=0.5)
    >>> [rate(spec, step, 8) for step in range(8)]
    [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    """
    return spec.rate * spec.factor ** sum(step >= at * total_steps for at in spec.at)


SCHEDULE = Schedule(name="step", spec=StepSpec, rate=rate)
