"""Huber's loss: squares near the target, distances far from it."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from core.arrays import Array
from core.nets.losses.loss import Loss, LossSpec, mean, targets_as


class HuberSpec(LossSpec):
    """Squares of differences near the target, distances far from it."""

    loss: Literal["huber"]
    delta: float = Field(
        default=1.0, gt=0, le=1e6, description="Differences larger than this count linearly."
    )


@np.errstate(over="ignore", invalid="ignore")
def value(spec: HuberSpec, outputs: Array, targets: Array) -> tuple[float | Array, Array]:
    """Return the mean over numbers and images, and its gradient.

    A difference ``d`` costs ``d**2 / 2`` up to ``delta``, and ``delta * (|d| - delta / 2)`` above
    (P. J. Huber, "Robust estimation of a location parameter", 1964).

    Examples
    --------
    >>> value(HuberSpec(loss="huber"), np.array([[0.5, 2.0]]), np.array([0.0, 4.0]))
    (0.8125, array([[ 0.25, -0.5 ]]))
    """
    difference = outputs - targets_as(outputs, targets)
    near = np.clip(difference, -spec.delta, spec.delta)
    # With c = d cut off at delta, both branches are c * (d - c / 2).
    found = mean(near * (difference - near / 2))
    near /= near.size
    return found, near


LOSS = Loss(name="huber", spec=HuberSpec, value=value)
