"""The largest value in each window."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Literal, TypeAlias

from pydantic import Field

from core.arrays import Array, array_module, is_on_gpu
from core.conv import codegen
from core.nets.layer import Context, LayerSpec, Shape
from core.nets.unary import unary
from core.nets.window import Sizes, Widths, Window, along, pooling_window, spatial_axes, taps

Computed: TypeAlias = tuple[Array, Callable[[Array], Array]]


class MaxPoolSpec(LayerSpec):
    """The largest value in each window; NaN if there is one."""

    layer: Literal["max_pool"]
    kernel: Sizes = Field(description="Size of the window.")
    stride: Sizes | None = Field(
        default=None, description="From one window to the next; by default the kernel."
    )
    padding: Widths = Field(
        default=0, description="How far windows reach beyond each side; nothing is found there."
    )


def shape(spec: MaxPoolSpec, incoming: Shape) -> Shape:
    """Return ``(channels, *positions of the window)``."""
    window = pooling_window(incoming, spec.kernel, spec.stride, spec.padding)
    return (incoming[0], *window.slide(spatial_axes(incoming)))


def compute(spec: MaxPoolSpec, x: Array, context: Context) -> Computed:
    """Return the maxima of ``x (channels, *spatial, images)``.

    The gradient goes to the first NaN of a window, or to the first of its largest values.
    """
    window = pooling_window(x.shape[:-1], spec.kernel, spec.stride, spec.padding)
    return _generated(x, window) or _by_axis(x, window)


def _generated(x: Array, window: Window) -> Computed | None:
    if not codegen.available() or is_on_gpu(x) or any(window.padding):
        return None
    # Only here, because it imports llvmlite.
    from core.conv.codegen import max_pool

    size, stride = window.kernel, window.stride
    if not max_pool.fits(x, size):
        return None
    return max_pool.largest(x, size, stride), lambda dy: max_pool.to_largest(dy, x, size, stride)


def _by_axis(x: Array, window: Window) -> Computed:
    # A window's maximum is that of its columns' maxima, so each axis is gone through by itself. The
    # last axis comes first: then the first of equal values is also the first in reading order.
    passes = []
    y = x
    for axis in range(len(window.kernel), 0, -1):
        steps = (axis, window.kernel[axis - 1], window.stride[axis - 1], window.padding[axis - 1])
        before, y = y, _largest(y, *steps)
        passes.append((before, y, steps))

    def gradient(dy: Array) -> Array:
        for before, largest, steps in reversed(passes):
            dy = _to_largest(dy, before, largest, *steps)
        return dy

    return y, gradient


def _largest(x: Array, axis: int, kernel: int, stride: int, padding: int) -> Array:
    xp = array_module(x)
    found = taps(x.shape[axis], kernel, stride, padding)
    if not padding:
        return reduce(xp.maximum, (x[along(axis, tap.inputs)] for tap in found))
    positions = max(tap.outputs.stop for tap in found)
    y = xp.full((*x.shape[:axis], positions, *x.shape[axis + 1 :]), -xp.inf, x.dtype)
    for tap in found:
        part = y[along(axis, tap.outputs)]
        xp.maximum(part, x[along(axis, tap.inputs)], out=part)
    return y


def _to_largest(
    dy: Array, x: Array, y: Array, axis: int, kernel: int, stride: int, padding: int
) -> Array:
    xp = array_module(x)
    dx = xp.zeros(x.shape, x.dtype)
    waiting = xp.ones(y.shape, bool)
    for tap in taps(x.shape[axis], kernel, stride, padding):
        inputs, outputs = along(axis, tap.inputs), along(axis, tap.outputs)
        largest = (x[inputs] == y[outputs]) | xp.isnan(x[inputs])
        first = waiting[outputs] & largest
        waiting[outputs] &= ~largest
        if stride < kernel:
            dx[inputs] += dy[outputs] * first
        else:
            xp.multiply(dy[outputs], first, out=dx[inputs])
    return dx


LAYER = unary("max_pool", MaxPoolSpec, compute, shape, half=True)
