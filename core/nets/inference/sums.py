"""Convolutions, dense layers and batch norms as calls of `core.conv.codegen.one_sums`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from core.conv.codegen.calls import Call
from core.conv.codegen.one_sums import Tile, best_tile, kernel
from core.conv.codegen.target import host
from core.nets.inference.family import Family, Stages
from core.nets.inference.fusion import Operation, affine
from core.nets.inference.memory import Kept, Place
from core.nets.layer import Shape
from core.nets.layers.batch_norm import BatchNormSpec
from core.nets.layers.conv import ConvSpec, window_of
from core.nets.window import Window

# The engine, which takes patches of the image as lanes, needs about as long to prepare itself.
_MOST_IDLE = 1 << 24


def conv_suits(operation: Operation, incoming: Sequence[Shape]) -> bool:
    """Return whether kernels can do it, and filters fill enough lanes.

    Zeros around the image must meet finite weights only, and the method must be free.
    """
    padded = any(conv_border(operation, incoming))
    finite = bool(np.isfinite(operation.weights["weight"]).all())
    if _conv_spec(operation).method != "auto" or (padded and not finite):
        return False
    return _is_depthwise(operation, incoming[0]) or _idle(operation) < _MOST_IDLE


def _idle(operation: Operation) -> int:
    """Return the multiply-adds of lanes without a filter."""
    weight = operation.weights["weight"]
    groups, lanes = _conv_spec(operation).groups, host().lanes(weight.itemsize)
    idle: int = groups * (-(len(weight) // groups) % lanes)
    return idle * math.prod(operation.shape[1:]) * math.prod(weight.shape[1:])


def conv_border(operation: Operation, incoming: Sequence[Shape]) -> Shape:
    """Return the padding."""
    return window_of(_conv_spec(operation), incoming[0]).padding


def conv_room(operation: Operation, incoming: Sequence[Shape], lanes: int) -> int:
    """Return up to where the last group's whole vectors reach."""
    groups, filters = _conv_spec(operation).groups, operation.shape[0]
    if _is_depthwise(operation, incoming[0]):
        return filters
    each = filters // groups
    return filters - each + each + -each % lanes


def conv_whole(operation: Operation, incoming: Sequence[Shape]) -> bool:
    """Return whether lanes are channels of the input too."""
    return _is_depthwise(operation, incoming[0])


def conv_calls(
    operation: Operation, sources: Sequence[Place], result: Place, kept: Kept, shares: int
) -> Stages:
    """Return a stage for each group, or one for all channels of a depthwise convolution."""
    (source,) = sources
    spec, incoming = _conv_spec(operation), (source.layout.channels, *source.layout.spatial)
    window, weight = window_of(spec, incoming), operation.weights["weight"]
    bias = operation.weights.get("bias", np.zeros(len(weight)))
    depthwise = _is_depthwise(operation, incoming)
    if depthwise or spec.groups == 1:
        filters = _Filters(window, weight, bias, by_channel=depthwise)
        return [_stage(operation, filters, source, result, kept, shares)]
    # Whole vectors reach into the next group, whose call follows.
    split = zip(np.split(weight, spec.groups), np.split(bias, spec.groups), strict=True)
    return [
        _stage(operation, _Filters(window, *own, group=group), source, result, kept, 1)
        for group, own in enumerate(split)
    ]


def dense_suits(operation: Operation, incoming: Sequence[Shape]) -> bool:
    """Return that there is a kernel for every dense layer."""
    return True


def dense_whole(operation: Operation, incoming: Sequence[Shape]) -> bool:
    """Return that inputs are read one by one."""
    return False


def dense_calls(
    operation: Operation, sources: Sequence[Place], result: Place, kept: Kept, shares: int
) -> Stages:
    """Return the stage: a convolution with a kernel as large as the image."""
    (source,) = sources
    layout, weight = source.layout, operation.weights["weight"]
    weight = weight.reshape(len(weight), layout.channels, *layout.spatial)
    bias = operation.weights.get("bias", np.zeros(len(weight)))
    filters = _Filters(_window(layout.spatial), weight, bias)
    return [_stage(operation, filters, source, result, kept, shares)]


def batch_norm_suits(operation: Operation, incoming: Sequence[Shape]) -> bool:
    """Return whether channels are channels in memory too."""
    return incoming[0] == operation.shape


def batch_norm_calls(
    operation: Operation, sources: Sequence[Place], result: Place, kept: Kept, shares: int
) -> Stages:
    """Return the stage: a depthwise convolution with a kernel of one pixel."""
    (source,) = sources
    factor, constant = affine(cast(BatchNormSpec, operation.node.spec), operation.weights)
    point = (1,) * len(source.layout.spatial)
    weight = factor.reshape(-1, 1, *point)
    filters = _Filters(_window(point), weight, constant, by_channel=True)
    return [_stage(operation, filters, source, result, kept, shares)]


class _Filters(NamedTuple):
    """Those of one group: ``weight (filters, channels, *kernel)`` and ``bias (filters,)``."""

    window: Window
    weight: NDArray[Any]
    bias: NDArray[Any]
    group: int = 0
    by_channel: bool = False


def _window(kernel: Shape) -> Window:
    axes = len(kernel)
    return Window(kernel, (1,) * axes, (0,) * axes, (1,) * axes)


def _stage(
    operation: Operation, filters: _Filters, source: Place, result: Place, kept: Kept, shares: int
) -> list[Call]:
    into, out, window, weight = source.layout, result.layout, filters.window, filters.weight
    lanes, itemsize = host().lanes(np.dtype(kept.dtype).itemsize), np.dtype(kept.dtype).itemsize
    channels = weight.shape[1]
    runs, length = joined(_taps(window, into.strides), channels)
    # A dense layer has one output, which is no pixel of a picture.
    row, stride = (out.spatial[-1], window.stride[-1]) if out.spatial else (1, 0)
    like = Tile(
        kept.dtype, lanes, 1, 1, stride * into.pitch, operation.activation, filters.by_channel
    )
    tile = best_tile(like, row, len(weight), runs.size * length, host().registers)
    tiles = _tiles(tile, window, source, result)
    packed = _packed(weight, tile.width)
    addresses = (
        source.address + filters.group * channels * itemsize,
        kept.numbers(packed),
        kept.numbers(_filled(filters.bias, tile.width)),
        result.address + filters.group * len(weight) * itemsize,
        kept.numbers(np.array([operation.slope])),
        kept.table(tiles),
        kept.table(runs),
    )
    numbers = len(runs), length, out.pitch
    rows = math.prod(out.spatial[:-1])
    return [
        (kernel(tile), (*addresses, *part, *numbers))
        for part in _parts(len(tiles), rows, len(packed), shares)
    ]


def _parts(tiles: int, rows: int, blocks: int, shares: int) -> list[tuple[int, int, int, int]]:
    """Return the first and last tile and block of each share: of rows, or else of blocks."""
    # Not of tiles: those of one row may overlap.
    cut, whole = (rows, blocks) if rows >= shares else (blocks, rows)
    bounds = np.linspace(0, cut, min(shares, cut) + 1).astype(int).tolist()
    each = tiles // rows
    parts = [((a, b), (0, whole)) for a, b in pairwise(bounds)]
    return [
        (of_rows[0] * each, of_rows[1] * each, *of_blocks)
        for of_rows, of_blocks in (part if rows >= shares else part[::-1] for part in parts)
    ]


def _taps(window: Window, strides: Shape) -> NDArray[np.int64]:
    axes = zip(window.kernel, window.dilation, strides, strict=True)
    along = [np.arange(k, dtype=np.int64) * (d * stride) for k, d, stride in axes]
    return reduce(lambda a, b: np.add.outer(a, b).ravel(), along, np.zeros(1, np.int64))


def joined(starts: NDArray[np.int64], length: int) -> tuple[NDArray[np.int64], int]:
    """Return as few runs as possible of equal length that cover the given ones in their order.

    Examples
    --------
    >>> runs, length = joined(np.array([0, 3, 6, 50, 53, 56]), 3)
    >>> runs.tolist(), length
    ([0, 50], 9)
    """
    count = len(starts)
    for several in range(count, 1, -1):
        if count % several == 0 and (np.diff(starts.reshape(-1, several)) == length).all():
            return starts[::several], several * length
    return starts, length


def _tiles(tile: Tile, window: Window, source: Place, result: Place) -> NDArray[np.int64]:
    """Return where each tile begins in the source and in the result; the last ones may overlap."""
    if not result.layout.spatial:
        return np.array([[source.layout.origin, result.layout.origin]], np.int64)
    *rows, last = result.layout.spatial
    starts = sorted({min(first, last - tile.pixels) for first in range(0, last, tile.pixels)})
    out = [*(np.arange(n) for n in rows), np.array(starts)]
    steps = zip(out, window.stride, window.padding, strict=True)
    into = [positions * stride - before for positions, stride, before in steps]
    return np.stack([source.layout.offsets(into), result.layout.offsets(out)], axis=1)


def _packed(weight: NDArray[Any], width: int) -> NDArray[Any]:
    """Return weights ``(filters, channels, *kernel)`` as ``(blocks, steps, width)``."""
    filters = len(weight)
    steps = np.moveaxis(weight, (0, 1), (-1, -2)).reshape(-1, filters)
    whole = np.zeros((len(steps), filters + -filters % width), weight.dtype)
    whole[:, :filters] = steps
    return whole.reshape(len(steps), -1, width).swapaxes(0, 1)


def _filled(bias: NDArray[Any], width: int) -> NDArray[Any]:
    return np.concatenate([bias, np.zeros(-len(bias) % width, bias.dtype)])


def _conv_spec(operation: Operation) -> ConvSpec:
    return cast(ConvSpec, operation.node.spec)


def _is_depthwise(operation: Operation, incoming: Shape) -> bool:
    return _conv_spec(operation).groups == incoming[0] == operation.shape[0] > 1


CONV = Family(
    suits=conv_suits, calls=conv_calls, border=conv_border, room=conv_room, whole=conv_whole
)
DENSE = Family(suits=dense_suits, calls=dense_calls, whole=dense_whole)
BATCH_NORM = Family(suits=batch_norm_suits, calls=batch_norm_calls)
