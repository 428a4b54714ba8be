"""MaxPool, AveragePool and GlobalAveragePool."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from core.arrays import Array, array_module
from core.conv.blocks import Check
from core.nets.onnx.graph import Node
from core.nets.onnx.operator import Inputs, Operator, bounded, first_output_only
from core.nets.onnx.windows import Pads, Window, padded, slide, spatial_axes


def max_pool(node: Node, inputs: Inputs, check: Check) -> tuple[Array, ...]:
    """Return the largest value in each window; padding is less than every value."""
    (x,) = inputs
    assert x is not None
    window = _window(node, x)
    xp = array_module(x)
    least = -xp.inf if x.dtype.kind == "f" else xp.iinfo(x.dtype).min
    taps = _taps(padded(x, _reach(x, window), least), window, check)
    found = next(taps).copy()
    for tap in taps:
        xp.maximum(found, tap, out=found)
    return (found,)


def average_pool(node: Node, inputs: Inputs, check: Check) -> tuple[Array, ...]:
    """Return the mean of each window, over the input alone or over its padding as well."""
    (x,) = inputs
    assert x is not None
    window = _window(node, x)
    reach = _reach(x, window)
    found = sum(_taps(padded(x, reach), window, check))
    counted = array_module(x).ones((1, 1, *x.shape[2:]), x.dtype)
    # Positions that only rounding up reaches are never counted.
    beyond = tuple((0, a - b) for (_, a), (_, b) in zip(reach, window.pads, strict=True))
    counted = padded(counted, window.pads, int(node.attributes["count_include_pad"]))
    return (found / sum(_taps(padded(counted, beyond), window, check)),)


def global_average_pool(node: Node, inputs: Inputs, check: Check) -> tuple[Array, ...]:
    """Return the mean of each channel."""
    (x,) = inputs
    assert x is not None
    spatial_axes(x, node)
    return (x.mean(axis=tuple(range(2, x.ndim)), keepdims=True),)


def _window(node: Node, x: Array) -> Window:
    spatial_axes(x, node)
    window = slide(node, x.shape[2:])
    bounded((*x.shape[:2], *window.lengths))
    return window


def _reach(x: Array, window: Window) -> Pads:
    """Return the padding, with what the last window of each axis needs where sizes round up."""
    return tuple(
        (before, max(after, (length - 1) * step + span - size - before))
        for size, (before, after), length, step, span in zip(
            x.shape[2:],
            window.pads,
            window.lengths,
            window.strides,
            window.extents,
            strict=True,
        )
    )


def _taps(x: Array, window: Window, check: Check) -> Iterator[Array]:
    """Yield, for each position in the window, the values there of all windows."""
    axes = zip(window.kernel, window.dilations, window.lengths, window.strides, strict=True)
    slices = [
        [slice(d * tap, d * tap + s * (length - 1) + 1, s) for tap in range(k)]
        for k, d, length, s in axes
    ]
    for places in itertools.product(*slices):
        check()
        yield x[(..., *places)]


MAX_POOL = Operator("MaxPool", max_pool, first_output_only)
AVERAGE_POOL = Operator("AveragePool", average_pool, floating=True)
GLOBAL_AVERAGE_POOL = Operator("GlobalAveragePool", global_average_pool, floating=True)
