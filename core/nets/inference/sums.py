"""Sums over taps and channels as calls of `core.conv.codegen.one_sums`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.conv.codegen.calls import Call
from core.conv.codegen.one_activation import constants
from core.conv.codegen.one_sums import Tile, best_tile, kernel
from core.conv.codegen.target import host
from core.nets.inference.fusion import Operation
from core.nets.inference.memory import Kept, Place
from core.nets.layer import Shape


@dataclass(frozen=True)
class Axis:
    """Outputs along one axis, and the inputs that each is a sum of, counted in pixels.

    Output ``first + i * stride`` sees the inputs ``start + i * step + tap`` for all taps.
    """

    taps: Sequence[int]
    start: int
    step: int
    first: int
    stride: int
    count: int


class Filters(NamedTuple):
    """Those of one group.

    Attributes
    ----------
    axes : sequence of Axis
        Of the source.
    weight, bias : ndarray
        ``(filters, channels, *taps)`` and ``(filters,)``.
    group : int
        Which.
    by_channel : bool
        Whether each filter sees its own channel of the source only.
    """

    axes: Sequence[Axis]
    weight: NDArray[Any]
    bias: NDArray[Any]
    group: int = 0
    by_channel: bool = False


def stage(
    operation: Operation, filters: Filters, source: Place, result: Place, kept: Kept, shares: int
) -> list[Call]:
    """Return calls that compute sums, about ``shares`` of them, to be made in any order."""
    axes, weight, bias, group, by_channel = filters
    into, out = source.layout, result.layout
    itemsize, channels = np.dtype(kept.dtype).itemsize, weight.shape[1]
    runs, length = joined(_taps(axes, into.strides), channels)
    # A vector is a single pixel.
    row, step, stride = (axes[-1].count, axes[-1].step, axes[-1].stride) if axes else (1, 0, 0)
    like = Tile(
        kept.dtype,
        host().lanes(itemsize),
        pixels=1,
        vectors=1,
        step=step * into.pitch,
        activation=operation.activation,
        by_channel=by_channel,
        by_element=host().by_element and not by_channel,
    )
    tile = best_tile(like, row, len(weight), runs.size * length, host().registers)
    tiles = _tiles(tile, axes, source, result)
    packed = _packed(weight, tile.width)
    addresses = (
        source.address + group * channels * itemsize,
        kept.numbers(packed),
        kept.numbers(_filled(bias, tile.width)),
        result.address + group * len(weight) * itemsize,
        kept.numbers(constants(kept.dtype, operation.parameter)),
        kept.table(tiles),
        kept.table(runs),
    )
    numbers = len(runs), length, stride * out.pitch
    rows = math.prod(axis.count for axis in axes[:-1])
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


def _taps(axes: Sequence[Axis], strides: Shape) -> NDArray[np.int64]:
    along = [
        np.array(axis.taps, np.int64) * stride for axis, stride in zip(axes, strides, strict=True)
    ]
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


def _tiles(tile: Tile, axes: Sequence[Axis], source: Place, result: Place) -> NDArray[np.int64]:
    """Return where each tile begins in the source and in the result; the last ones may overlap."""
    along = [np.arange(axis.count) for axis in axes]
    if axes:
        last = axes[-1].count
        starts = sorted({min(first, last - tile.pixels) for first in range(0, last, tile.pixels)})
        along[-1] = np.array(starts)
    steps = list(zip(axes, along, strict=True))
    into = source.layout.offsets([axis.start + axis.step * i for axis, i in steps])
    # What a picture is summed up to is a vector.
    seen = steps if result.layout.spatial else []
    out = result.layout.offsets([axis.first + axis.stride * i for axis, i in seen])
    return np.stack([into, out], axis=1)


def _packed(weight: NDArray[Any], width: int) -> NDArray[Any]:
    """Return weights ``(filters, channels, *kernel)`` as ``(blocks, steps, width)``."""
    filters = len(weight)
    steps = np.moveaxis(weight, (0, 1), (-1, -2)).reshape(-1, filters)
    whole = np.zeros((len(steps), filters + -filters % width), weight.dtype)
    whole[:, :filters] = steps
    return whole.reshape(len(steps), -1, width).swapaxes(0, 1)


def _filled(bias: NDArray[Any], width: int) -> NDArray[Any]:
    return np.concatenate([bias, np.zeros(-len(bias) % width, bias.dtype)])
