"""The positive part, and an exponential of the negative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import Field

from core.arrays import Array, array_module
from core.nets.layer import Context, LayerSpec
from core.nets.unary import unary


class EluSpec(LayerSpec):
    """``x`` where it is positive, ``alpha * (exp(x) - 1)`` where it is not.

    D.-A. Clevert et al., "Fast and accurate deep network learning by exponential linear units",
    2016.
    """

    layer: Literal["elu"]
    alpha: float = Field(default=1.0, gt=0, le=100, description="How far below 0 it may go.")


def compute(spec: EluSpec, x: Array, context: Context) -> tuple[Array, Callable[[Array], Array]]:
    """Return the exponential linear unit of ``x``."""
    xp = array_module(x)
    # The negative side, 0 where x is positive; arrays of zeros for speed, as in relu.
    y = xp.zeros(x.shape, x.dtype)
    xp.minimum(x, y, out=y)
    xp.expm1(y, out=y)
    y *= spec.alpha
    positive = xp.zeros(x.shape, x.dtype)
    xp.maximum(x, positive, out=positive)
    y += positive

    def gradient(dy: Array) -> Array:
        # alpha * exp(x) is y + alpha on the negative side.
        factor = xp.zeros(y.shape, y.dtype)
        xp.minimum(y, factor, out=factor)
        factor += spec.alpha
        if spec.alpha != 1:
            factor += xp.multiply(y > 0, 1 - spec.alpha, dtype=y.dtype)
        factor *= dy
        return factor

    return y, gradient


LAYER = unary("elu", EluSpec, compute)
