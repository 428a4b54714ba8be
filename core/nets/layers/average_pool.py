"""The mean of each window."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, reduce
from typing import Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, array_module
from core.nets.constants import beside
from core.nets.layer import Context, LayerSpec, Shape
from core.nets.unary import unary
from core.nets.window import Sizes, Widths, Window, along, pooling_window, spatial_axes, taps


class AveragePoolSpec(LayerSpec):
    """The mean of the values in each window."""

    layer: Literal["average_pool"]
    kernel: Sizes = Field(description="Size of the window.")
    stride: Sizes | None = Field(
        default=None, description="From one window to the next; by default the kernel."
    )
    padding: Widths = Field(default=0, description="How far windows reach beyond each side.")
    count_include_pad: bool = Field(
        default=False,
        description="Whether the padding counts as zeros, or only what is inside (as ONNX).",
    )


def shape(spec: AveragePoolSpec, incoming: Shape) -> Shape:
    """Return ``(channels, *positions of the window)``."""
    window = pooling_window(incoming, spec.kernel, spec.stride, spec.padding)
    return (incoming[0], *window.slide(spatial_axes(incoming)))


def compute(
    spec: AveragePoolSpec, x: Array, context: Context
) -> tuple[Array, Callable[[Array], Array]]:
    """Return the means of ``x (channels, *spatial, images)``, axis by axis."""
    window = pooling_window(x.shape[:-1], spec.kernel, spec.stride, spec.padding)
    share = beside(x, shares(window, x.shape[1:-1], x.dtype.name, spec.count_include_pad))
    steps = [
        (axis + 1, *of_axis)
        for axis, of_axis in enumerate(
            zip(x.shape[1:-1], window.kernel, window.stride, window.padding, strict=True)
        )
    ]
    sums = x
    for step in reversed(steps):
        sums = _sum(sums, *step)

    def gradient(dy: Array) -> Array:
        dy = dy * share
        for step in steps:
            dy = _spread(dy, *step)
        return dy

    return sums * share, gradient


@lru_cache(maxsize=256)
def shares(window: Window, spatial: Shape, dtype: str, include: bool) -> Array:
    """Return what a value counts in each window, of a shape that fits ``(*positions, 1)``."""
    if include:
        return np.full((1,) * (len(spatial) + 1), 1 / math.prod(window.kernel), dtype)
    counts = np.ones(1)
    for axis in reversed(range(len(spatial))):
        ones = np.ones(spatial[axis])
        inside = _sum(
            ones, 0, spatial[axis], window.kernel[axis], window.stride[axis], window.padding[axis]
        )
        counts = np.multiply.outer(inside, counts)
    return (1 / counts).astype(dtype)


def _sum(x: Array, axis: int, length: int, kernel: int, stride: int, padding: int) -> Array:
    xp = array_module(x)
    found = taps(length, kernel, stride, padding)
    if not padding:
        return reduce(xp.add, (x[along(axis, tap.inputs)] for tap in found))
    positions = max(tap.outputs.stop for tap in found)
    y = xp.zeros((*x.shape[:axis], positions, *x.shape[axis + 1 :]), x.dtype)
    for tap in found:
        y[along(axis, tap.outputs)] += x[along(axis, tap.inputs)]
    return y


def _spread(dy: Array, axis: int, length: int, kernel: int, stride: int, padding: int) -> Array:
    dx = array_module(dy).zeros((*dy.shape[:axis], length, *dy.shape[axis + 1 :]), dy.dtype)
    for tap in taps(length, kernel, stride, padding):
        if stride < kernel:
            dx[along(axis, tap.inputs)] += dy[along(axis, tap.outputs)]
        else:
            dx[along(axis, tap.inputs)] = dy[along(axis, tap.outputs)]
    return dx


LAYER = unary("average_pool", AveragePoolSpec, compute, shape)
