"""Trainings whose numbers are none any more."""

from __future__ import annotations

import math

import numpy as np

from core.errors import Diverged
from core.nets.layer import Weights
from core.nets.training.state import Progress


def check_loss(what: str, loss: float, rate: float, progress: Progress) -> None:
    """Raise if a loss is not finite.

    Parameters
    ----------
    what : str
        What the error calls it.
    loss : float
    rate : float
        The learning rate.
    progress : Progress
        Before the step of which it is the loss.

    Raises
    ------
    Diverged
        Names the step, the learning rate and the last finite loss.

    Examples
    --------
    >>> check_loss("the loss", float("inf"), 0.1, Progress(step=7, last_loss=2.5))
    Traceback (most recent call last):
    core.errors.Diverged: schedule.rate: the loss is inf at step 7 of epoch 1, with a learning ...
    """
    if not math.isfinite(loss):
        raise _diverged(f"{what} is {loss}", loss, rate, progress)


def check_weights(weights: Weights, rate: float, progress: Progress) -> None:
    """Raise if a weight is not finite.

    Raises
    ------
    Diverged
        Names the weight beside what `check_loss` names.

    Examples
    --------
    >>> check_weights({"conv1.bias": np.array([0.0, np.nan])}, 0.1, Progress(step=7))
    Traceback (most recent call last):
    core.errors.Diverged: schedule.rate: conv1.bias is not finite at step 7 of epoch 1, with a ...
    """
    for name, array in weights.items():
        finite = np.isfinite(array)
        if not finite.all():
            given = float(array[~finite][0])
            raise _diverged(f"{name} is not finite", given, rate, progress)


def _diverged(what: str, given: float, rate: float, progress: Progress) -> Diverged:
    last = progress.last_loss
    return Diverged(
        f"{what} at step {progress.step} of epoch {progress.epoch + 1}, with a learning rate of "
        f"{rate:.3g}; "
        + ("it was the first step" if last is None else f"the last finite loss was {last:.6g}"),
        field="schedule.rate",
        given=given,
        accepted="a lower learning rate, or clip",
    )
