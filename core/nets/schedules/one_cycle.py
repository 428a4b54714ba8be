"""One cycle: up to a high learning rate, and down to almost nothing."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.nets.schedules.schedule import Schedule, ScheduleSpec, cosine_between


class OneCycleSpec(ScheduleSpec):
    """Up to a high learning rate, and down to almost nothing."""

    schedule: Literal["one_cycle"]
    rising: float = Field(
        default=0.3, gt=0, lt=1, description="Share of the steps in which the rate rises."
    )
    start: float = Field(
        default=0.04, gt=0, le=1, description="Where it begins, as a share of the highest rate."
    )
    end: float = Field(
        default=4e-6, ge=0, le=1, description="Where it ends, as a share of the highest rate."
    )


def rate(spec: OneCycleSpec, step: int, total_steps: int) -> float:
    """Return the rate: from ``start * rate`` to ``rate`` and to ``end * rate``, along cosines.

    The source is L. N. Smith and N. Topin, "Super-convergence: very fast training of neural
    networks using large learning rates", 2018; the momentum is left alone. The last step has the
    lowest rate.

    Examples
    --------
    >>> spec = OneCycleSpec(schedule="one_cycle", rate=1.0, rising=0.5, end=0.0)
    >>> [round(rate(spec, step, 5), 3) for step in range(5)]
    [0.04, 0.52, 1.0, 0.5, 0.0]
    """
    last = total_steps - 1
    top = spec.rising * last
    if step < top:
        return cosine_between(spec.start * spec.rate, spec.rate, step / top)
    if step == top:
        return spec.rate
    return cosine_between(spec.rate, spec.end * spec.rate, (step - top) / (last - top))


SCHEDULE = Schedule(name="one_cycle", spec=OneCycleSpec, rate=rate)
