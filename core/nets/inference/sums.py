"""Convolutions, dense layers and batch norms as calls of `core.conv.codegen.one_sums`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from core.conv.codegen.calls import Call
from core.conv.codegen.one_sums import Tile, best_tile, kernel
from core.conv.codegen.target import host
from core.nets.inference.family import Family
from core.nets.inference.fusion import Operation, affine
from core.nets.inference.memory import Kept, Place
from core.nets.layer import Shape
from core.nets.layers.batch_norm import BatchNormSpec
from core.nets.layers.conv import ConvSpec, window_of
from core.nets.window import Window

_POINT = Window((), (), (), ())


def conv_suits(operation: Operation, incoming: Sequence[Shape]) -> bool:
    """Return whether the method is free, and zeros around the image meet finite weights only."""
    padded = any(conv_border(operation, incoming))
    finite = bool(np.isfinite(operation.weights["weight"]).all())
    return _conv_spec(operation).method == "auto" and (finite or not padded)


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
    operation: Operation, sources: Sequence[Place], result: Place, kept: Kept
) -> list[Call]:
    """Return one call for each group, or one for all channels of a depthwise convolution."""
    (source,) = sources
    spec, incoming = _conv_spec(operation), (source.layout.channels, *source.layout.spatial)
    window, weight = window_of(spec, incoming), operation.weights["weight"]
    bias = operation.weights.get("bias", np.zeros(len(weight)))
    if _is_depthwise(operation, incoming):
        return [_call(operation, window, weight, bias, source, result, kept, by_channel=True)]
    weights, biases = np.split(weight, spec.groups), np.split(bias, spec.groups)
    # Whole vectors reach into the next group, whose call follows.
    return [
        _call(operation, window, *own, source, result, kept, group=group)
        for group, own in enumerate(zip(weights, biases, strict=True))
    ]


def dense_suits(operation: Operation, incoming: Sequence[Shape]) -> bool:
    """Return that there is a kernel for every dense layer."""
    return True


def dense_whole(operation: Operation, incoming: Sequence[Shape]) -> bool:
    """Return that inputs are read one by one."""
    return False


def dense_calls(
    operation: Operation, sources: Sequence[Place], result: Place, kept: Kept
) -> list[Call]:
    """Return the call: a convolution with a kernel as large as the image."""
    (source,) = sources
    layout, weight = source.layout, operation.weights["weight"]
    weight = weight.reshape(len(weight), layout.channels, *layout.spatial)
    bias = operation.weights.get("bias", np.zeros(len(weight)))
    axes = len(layout.spatial)
    window = Window(layout.spatial, (1,) * axes, (0,) * axes, (1,) * axes)
    return [_call(operation, window, weight, bias, source, result, kept)]


def batch_norm_suits(operation: Operation, incoming: Sequence[Shape]) -> bool:
    """Return whether channels are channels in memory too."""
    return incoming[0] == operation.shape


def batch_norm_calls(
    operation: Operation, sources: Sequence[Place], result: Place, kept: Kept
) -> list[Call]:
    """Return the call: a depthwise convolution with a kernel of one pixel."""
    (source,) = sources
    factor, constant = affine(cast(BatchNormSpec, operation.node.spec), operation.weights)
    axes = len(source.layout.spatial)
    window = Window((1,) * axes, (1,) * axes, (0,) * axes, (1,) * axes)
    weight = factor.reshape(-1, *(1,) * (axes + 1))
    return [_call(operation, window, weight, constant, source, result, kept, by_channel=True)]


def _call(
    operation: Operation,
    window: Window,
    weight: NDArray[Any],
    bias: NDArray[Any],
    source: Place,
    result: Place,
    kept: Kept,
    *,
    group: int = 0,
    by_channel: bool = False,
) -> Call:
    into, out = source.layout, result.layout
    # A dense layer has one output, which is no pixel of a picture.
    row, stride = (out.spatial[-1], window.stride[-1]) if out.spatial else (1, 0)
    lanes = host().lanes(np.dtype(kept.dtype).itemsize)
    like = Tile(
        kept.dtype, lanes, 1, 1, stride * into.pitch, operation.activation, by_channel=by_channel
    )
    length = 1 if by_channel else weight.shape[1]
    runs, length = joined(_taps(window, into.strides), length)
    tile = best_tile(like, row, len(weight), runs.size * length, host().registers)
    tiles = _tiles(tile, window, source, result)
    packed, biases = _packed(weight, tile.width), _filled(bias, tile.width)
    itemsize = np.dtype(kept.dtype).itemsize
    arguments = (
        source.address + group * weight.shape[1] * itemsize,
        kept.numbers(packed),
        kept.numbers(biases),
        result.address + group * len(weight) * itemsize,
        kept.numbers(np.array([operation.slope])),
        kept.table(tiles),
        kept.table(runs),
        0,
        len(tiles),
        len(packed),
        len(runs),
        length,
        out.pitch,
    )
    return kernel(tile), arguments


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
