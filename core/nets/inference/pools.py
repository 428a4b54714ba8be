"""Pooling layers as calls of `core.conv.codegen.one_pool`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from core.conv.codegen.calls import Call
from core.conv.codegen.one_pool import Window as Windows
from core.conv.codegen.one_pool import kernel
from core.conv.codegen.target import host
from core.nets.inference.family import Family, Stages
from core.nets.inference.fusion import Operation
from core.nets.inference.layout import Layout
from core.nets.inference.memory import Kept, Place
from core.nets.layer import Shape
from core.nets.layers import average_pool
from core.nets.layers.max_pool import MaxPoolSpec
from core.nets.window import Window, pooling_window


def suits(operation: Operation, incoming: Sequence[Shape]) -> bool:
    """Return that there is a kernel for every window."""
    return True


def mean_border(operation: Operation, incoming: Sequence[Shape]) -> Shape:
    """Return the padding, whose zeros are summed too."""
    return _window(operation, incoming[0]).padding


def max_calls(
    operation: Operation, sources: Sequence[Place], result: Place, kept: Kept, shares: int
) -> Stages:
    """Return the call for the largest value of each window."""
    source = sources[0].layout
    window = _window(operation, (source.channels, *source.spatial))
    # A window that reaches beyond the image sees the outermost pixels twice instead.
    ends = [n - 1 for n in source.spatial]
    seen = [
        np.clip(positions, 0, end)
        for positions, end in zip(_positions(window, source.spatial), ends, strict=True)
    ]
    return [[_call("largest", seen, np.zeros(1), sources[0], result, kept)]]


def mean_calls(
    operation: Operation, sources: Sequence[Place], result: Place, kept: Kept, shares: int
) -> Stages:
    """Return the call for the mean of each window."""
    source = sources[0].layout
    window = _window(operation, (source.channels, *source.spatial))
    spec = cast(average_pool.AveragePoolSpec, operation.node.spec)
    share = average_pool.shares(window, source.spatial, kept.dtype, spec.count_include_pad)
    share = np.broadcast_to(share, (*result.layout.spatial, 1))
    seen = _positions(window, source.spatial)
    return [[_call("mean", seen, share, sources[0], result, kept)]]


def global_max_calls(
    operation: Operation, sources: Sequence[Place], result: Place, kept: Kept, shares: int
) -> Stages:
    """Return the call for the largest value of each channel."""
    return [[_call("largest", _all(sources[0].layout), np.zeros(1), sources[0], result, kept)]]


def global_mean_calls(
    operation: Operation, sources: Sequence[Place], result: Place, kept: Kept, shares: int
) -> Stages:
    """Return the call for the mean of each channel."""
    seen = _all(sources[0].layout)
    share = np.array([1 / np.prod([positions.size for positions in seen])])
    return [[_call("mean", seen, share, sources[0], result, kept)]]


def _call(
    what: Literal["largest", "mean"],
    seen: list[NDArray[np.int64]],
    share: NDArray[np.floating],
    source: Place,
    result: Place,
    kept: Kept,
) -> Call:
    pixels = _pixels(source.layout, seen)
    out = result.layout.offsets([np.arange(n) for n in result.layout.spatial])
    lanes = host().lanes(np.dtype(kept.dtype).itemsize)
    arguments = (
        source.address,
        result.address,
        kept.table(np.column_stack([out, pixels])),
        kept.numbers(np.asarray(share)),
        len(out),
        -(-source.layout.channels // lanes),
    )
    return kernel(Windows(kept.dtype, lanes, what, pixels.shape[1])), arguments


def _positions(window: Window, spatial: Shape) -> list[NDArray[np.int64]]:
    """Return what each window sees along each axis: ``(windows, size)``."""
    axes = zip(window.slide(spatial), window.kernel, window.stride, window.padding, strict=True)
    return [np.add.outer(np.arange(n) * s - p, np.arange(k)) for n, k, s, p in axes]


def _all(layout: Layout) -> list[NDArray[np.int64]]:
    return [np.arange(n)[np.newaxis] for n in layout.spatial]


def _pixels(layout: Layout, seen: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return where the pixels of each window are: ``(windows, pixels)``."""
    found = np.full((1, 1), layout.origin, np.int64)
    for positions, stride in zip(seen, layout.strides, strict=True):
        grid = found[:, np.newaxis, :, np.newaxis] + positions[:, np.newaxis, :] * stride
        found = grid.reshape(grid.shape[0] * grid.shape[1], -1)
    return found


def _window(operation: Operation, incoming: Shape) -> Window:
    spec = cast("MaxPoolSpec | average_pool.AveragePoolSpec", operation.node.spec)
    return pooling_window(incoming, spec.kernel, spec.stride, spec.padding)


MAX = Family(suits=suits, calls=max_calls)
MEAN = Family(suits=suits, calls=mean_calls, border=mean_border)
GLOBAL_MAX = Family(suits=suits, calls=global_max_calls)
GLOBAL_MEAN = Family(suits=suits, calls=global_mean_calls)
