"""The positive part, and a little of the negative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import Field

from core.arrays import Array, array_module
from core.nets.layer import Context, LayerSpec
from core.nets.unary import unary


class LeakyReluSpec(LayerSpec):
    """``x`` where it is positive, ``slope * x`` where it is not.

    A. L. Maas et al., "Rectifier nonlinearities improve neural network acoustic models", 2013.
    """

    layer: Literal["leaky_relu"]
    slope: float = Field(default=0.01, gt=0, le=1, description="Of the negative side.")


def compute(
    spec: LeakyReluSpec, x: Array, context: Context
) -> tuple[Array, Callable[[Array], Array]]:
    """Return the larger of ``x`` and ``slope * x``."""
    xp = array_module(x)
    y = x * spec.slope
    xp.maximum(x, y, out=y)

    def gradient(dy: Array) -> Array:
        # Sums of masks: where() would guess at every element which way to go.
        positive = x > 0
        factor = xp.multiply(~positive, spec.slope, dtype=x.dtype)
        factor += positive
        factor *= dy
        return factor

    return y, gradient


LAYER = unary("leaky_relu", LeakyReluSpec, compute, half=True)
