"""Binary cross-entropy from logits: every output is a yes or no of its own."""

from __future__ import annotations

from typing import Literal

import numpy as np

from core.arrays import Array, is_on_gpu
from core.errors import InvalidInput
from core.nets.losses.loss import Loss, LossSpec, mean, targets_as


class BceSpec(LossSpec):
    """Binary cross-entropy; the net's last layer has no sigmoid, the loss has it."""

    loss: Literal["bce"]


@np.errstate(over="ignore", invalid="ignore")
def value(spec: BceSpec, outputs: Array, targets: Array) -> tuple[float | Array, Array]:
    """Return the mean of ``-t log s(y) - (1 - t) log(1 - s(y))``, and its gradient.

    ``s`` is the logistic function, and nothing overflows however large an output is: the sum is
    computed as ``max(y, 0) - t y + log(1 + exp(-|y|))``. Targets are 0, 1, or between.

    Raises
    ------
    InvalidInput
        Targets do not fit the outputs, or lie outside of 0 to 1.

    Examples
    --------
    >>> value(BceSpec(loss="bce"), np.array([[0.0, 1000.0]]), np.array([1, 0]))
    (500.34657359027995, array([[-0.25,  0.5 ]]))
    """
    wanted = targets_as(outputs, targets)
    if not is_on_gpu(targets):
        check(targets, len(outputs))
    small = np.exp(-np.abs(outputs))
    found = mean(np.maximum(outputs, 0) - wanted * outputs + np.log1p(small))
    gradient = np.where(outputs >= 0, 1, small) / (1 + small)
    gradient -= wanted
    gradient /= gradient.size
    return found, gradient


def check(targets: Array, classes: int) -> None:
    """Refuse what is no probability.

    Examples
    --------
    >>> check(np.array([0.0, 0.5]), 1)
    """
    if not ((targets >= 0) & (targets <= 1)).all():
        raise InvalidInput(
            "targets of bce are probabilities",
            field="targets",
            given=f"{float(targets.min())} to {float(targets.max())}",
            accepted="numbers from 0 to 1",
        )


LOSS = Loss(name="bce", spec=BceSpec, value=value, check=check)
