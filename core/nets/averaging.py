"""An exponential moving average of the weights, which is often the better model."""

from __future__ import annotations

from collections.abc import Mapping

from core.arrays import Array
from core.nets.layer import Weights

_BLOCK = 1 << 14


def average(averages: Mapping[str, Array], weights: Weights, decay: float, step: int) -> None:
    """Move averages towards the weights in place: ``a += (1 - d) * (w - a)``.

    ``d`` is ``min(decay, (1 + step) / (10 + step))``: averages follow quickly in the beginning,
    when the first weights are no more than chance (`tf.train.ExponentialMovingAverage` with
    ``num_updates``).

    Parameters
    ----------
    averages : mapping of name to array
        A copy of the weights in the beginning; contiguous.
    weights : mapping of name to array
        After the step.
    decay : float
        0 to 1, such as 0.999.
    step : int
        The number of steps that have been taken, from 1.

    Examples
    --------
    >>> import numpy as np
    >>> averages = {"w": np.array([0.0])}
    >>> average(averages, {"w": np.array([1.0])}, 0.9, 1000)
    >>> averages["w"].round(6)
    array([0.1])
    """
    towards = 1 - min(decay, (1 + step) / (10 + step))
    for name, kept in averages.items():
        flat, new = kept.reshape(-1), weights[name].reshape(-1)
        # Blocks stay in the cache; a difference of the whole array would not.
        for start in range(0, flat.size, _BLOCK):
            part = flat[start : start + _BLOCK]
            change = new[start : start + _BLOCK] - part
            change *= towards
            part += change
