"""Mean squared error: for numbers that may be of either sign, and few of them far off."""

from __future__ import annotations

from typing import Literal

import numpy as np

from core.arrays import Array
from core.nets.losses.loss import Loss, LossSpec, mean, targets_as


class MseSpec(LossSpec):
    """The mean of squared differences."""

    loss: Literal["mse"]


@np.errstate(over="ignore", invalid="ignore")
def value(spec: MseSpec, outputs: Array, targets: Array) -> tuple[float | Array, Array]:
    """Return the mean of ``(y - t)**2`` over numbers and images, and its gradient.

    Examples
    --------
    >>> value(MseSpec(loss="mse"), np.array([[1.0, 2.0]]), np.array([0.0, 4.0]))
    (2.5, array([[ 1., -2.]]))
    """
    difference = outputs - targets_as(outputs, targets)
    found = mean(np.square(difference))
    difference *= 2 / difference.size
    return found, difference


LOSS = Loss(name="mse", spec=MseSpec, value=value)
