"""Mean absolute error: outliers count by their distance, not by its square."""

from __future__ import annotations

from typing import Literal

import numpy as np

from core.arrays import Array
from core.nets.losses.loss import Loss, LossSpec, mean, targets_as


class MaeSpec(LossSpec):
    """The mean of absolute differences."""

    loss: Literal["mae"]


@np.errstate(over="ignore", invalid="ignore")
def value(spec: MaeSpec, outputs: Array, targets: Array) -> tuple[float | Array, Array]:
    """Return the mean of ``|y - t|`` over numbers and images, and its gradient.

    The gradient is 0 where ``y == t``.

    Examples
    --------
    >>> value(MaeSpec(loss="mae"), np.array([[1.0, 2.0]]), np.array([0.0, 4.0]))
    (1.5, array([[ 0.5, -0.5]]))
    """
    difference = outputs - targets_as(outputs, targets)
    gradient = np.sign(difference)
    gradient /= difference.size
    return mean(np.abs(difference)), gradient


LOSS = Loss(name="mae", spec=MaeSpec, value=value)
