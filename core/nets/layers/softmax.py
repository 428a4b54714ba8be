"""Positive numbers whose sum is 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from core.arrays import Array, array_module
from core.nets.layer import Context, LayerSpec
from core.nets.unary import unary


class SoftmaxSpec(LayerSpec):
    """Probabilities from logits, over the channels or features."""

    layer: Literal["softmax"]


def compute(
    spec: SoftmaxSpec, x: Array, context: Context
) -> tuple[Array, Callable[[Array], Array]]:
    """Return ``exp(x)`` over its sum along the first axis, without overflow."""
    xp = array_module(x)
    y = x - x.max(axis=0)
    xp.exp(y, out=y)
    y /= y.sum(axis=0)

    def gradient(dy: Array) -> Array:
        dx = y * dy
        dx -= y * dx.sum(axis=0)
        return dx

    return y, gradient


LAYER = unary("softmax", SoftmaxSpec, compute)
