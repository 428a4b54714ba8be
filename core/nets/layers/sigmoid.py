"""The logistic function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from core.arrays import Array, array_module
from core.nets.layer import Context, LayerSpec
from core.nets.unary import unary


class SigmoidSpec(LayerSpec):
    """The logistic function ``1 / (1 + exp(-x))``, between 0 and 1."""

    layer: Literal["sigmoid"]


def compute(
    spec: SigmoidSpec, x: Array, context: Context
) -> tuple[Array, Callable[[Array], Array]]:
    """Return the logistic function of ``x``."""
    xp = array_module(x)
    y = xp.negative(x)
    # Far below 0 the exponential is infinite, and its inverse 0, as it should be.
    with np.errstate(over="ignore"):
        xp.exp(y, out=y)
    y += 1
    xp.reciprocal(y, out=y)

    def gradient(dy: Array) -> Array:
        slope = y * y
        xp.subtract(y, slope, out=slope)
        slope *= dy
        return slope

    return y, gradient


LAYER = unary("sigmoid", SigmoidSpec, compute)
