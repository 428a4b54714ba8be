"""An exponential moving average of the weights, which is often the better model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from core.arrays import Array, is_on_gpu
from core.nets.layer import Weights

_BLOCK = 1 << 14


def average(
    averages: Mapping[str, Array], weights: Weights, decay: float, step: int | Array
) -> None:
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
    step : int or array
        The number of steps that have been taken, from 1; on a device an array without axes.

    Examples
    --------
    >>> import numpy as np
    >>> averages = {"w": np.array([0.0])}
    >>> average(averages, {"w": np.array([1.0])}, 0.9, 1000)
    >>> averages["w"].round(6)
    array([0.1])
    """
    follows = (1 + step) / (10 + step)
    towards: Any = 1 - (
        min(decay, follows) if isinstance(step, int) else np.minimum(decay, follows)
    )
    for name, kept in averages.items():
        flat, new = kept.reshape(-1), weights[name].reshape(-1)
        # Blocks stay in the cache; a difference of the whole array would not.
        block = flat.size if is_on_gpu(flat) else _BLOCK
        share = towards.astype(flat.dtype) if is_on_gpu(flat) else towards
        for start in range(0, flat.size, block):
            part = flat[start : start + block]
            change = new[start : start + block] - part
            change *= share
            part += change
