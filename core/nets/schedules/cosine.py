"""A learning rate that falls along half a cosine wave, after a linear warm-up."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.nets.schedules.schedule import Schedule, ScheduleSpec, cosine_between


class CosineSpec(ScheduleSpec):
    """Half a cosine wave down, after a linear warm-up."""

    schedule: Literal["cosine"]
    warm_up: float = Field(
        default=0.0, ge=0, lt=1, description="Share of the steps in which the rate rises."
    )
    floor: float = Field(
        default=0.0, ge=0, le=1, description="Where it ends, as a share of the highest rate."
    )


def rate(spec: CosineSpec, step: int, total_steps: int) -> float:
    """Return the rate: it rises linearly to ``rate`` and falls to ``floor * rate``.

    The fall is that of I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm
    restarts", 2017, without restarts. No step has rate 0 unless ``floor`` is 0 and it would be
    the one after the last.

    Examples
    --------
    >>> spec = CosineSpec(schedule="cosine", rate=1.0, warm_up=0.4)
    >>> [round(rate(spec, step, 5), 3) for step in range(5)]
    [0.5, 1.0, 1.0, 0.75, 0.25]
    """
    rising = round(spec.warm_up * total_steps)
    if step < rising:
        return spec.rate * (step + 1) / rising
    share = (step - rising) / (total_steps - rising)
    return cosine_between(spec.rate, spec.floor * spec.rate, share)


SCHEDULE = Schedule(name="cosine", spec=CosineSpec, rate=rate)
