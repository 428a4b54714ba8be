"""The hyperbolic tangent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from core.arrays import Array, array_module
from core.nets.layer import Context, LayerSpec
from core.nets.unary import unary


class TanhSpec(LayerSpec):
    """The hyperbolic tangent, between -1 and 1."""

    layer: Literal["tanh"]


def compute(spec: TanhSpec, x: Array, context: Context) -> tuple[Array, Callable[[Array], Array]]:
    """Return the hyperbolic tangent of ``x``."""
    y = array_module(x).tanh(x)

    def gradient(dy: Array) -> Array:
        slope = y * y
        slope -= 1
        slope *= dy
        return array_module(slope).negative(slope, out=slope)

    return y, gradient


LAYER = unary("tanh", TanhSpec, compute)
