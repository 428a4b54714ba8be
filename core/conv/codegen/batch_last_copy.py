"""One image vector of a block of inputs, brought together: padded with zeros, and close by.

In an array of many images the vectors of neighbouring pixels are far apart, often by a power of
two, so that they would meet in the same few sets of a cache.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from core.conv.codegen.batch_last_lattice import Box, Lattice
from core.conv.codegen.channels_lanes import Table
from core.conv.codegen.channels_transpose import integer_at
from core.conv.codegen.emit import Emitter, Value
from core.conv.normal import Shape


@dataclass(frozen=True)
class Layout:
    """How the inputs of a block lie in scratch memory, counted in vectors.

    Parameters
    ----------
    size : tuple of int
        Outputs of a block, per axis.
    strides : tuple of int
        From one input to the next, per axis.
    channel : int
        From one channel to the next; odd, so that channels do not meet in one set of a cache.
    """

    size: Shape
    strides: Shape
    channel: int


def layout(lattice: Lattice, channels: int, most: int, out_channels: int = 0) -> Layout:
    """Return the largest blocks whose inputs take at most ``most`` vectors.

    With ``out_channels`` neither do their outputs.

    Examples
    --------
    >>> from core.conv.codegen.batch_last_lattice import forward
    >>> layout(forward((8, 8), (3, 3), (1, 1), (1, 1), (1, 1)), 2, 150)
    Layout(size=(4, 8), strides=(10, 1), channel=61)
    """
    size = list(lattice.counts)
    while True:
        extents = _extents(lattice, tuple(size))
        channel = math.prod(extents) | 1
        longest = next((axis for axis, n in enumerate(size) if n > 1), None)
        fits = channel * channels <= most and math.prod(size) * out_channels <= most
        if fits or longest is None:
            strides = tuple(math.prod(extents[axis + 1 :]) for axis in range(len(extents)))
            return Layout(tuple(size), strides, channel)
        size[longest] = -(-size[longest] // 2)


def _extents(lattice: Lattice, size: Shape) -> Shape:
    windows = [lattice.window(block) for block in lattice.blocks(size)]
    return tuple(max(1, *(w[axis][1] - w[axis][0] for w in windows)) for axis in range(len(size)))


def rows(lattice: Lattice, lay: Layout, window: Box) -> Table:
    """Return what to copy: ``(source pixel, place, zeros before, pixels, zeros after)`` per row.

    Examples
    --------
    >>> from core.conv.codegen.batch_last_lattice import forward
    >>> lattice = forward((4, 4), (3, 3), (1, 1), (1, 1), (1, 1))
    >>> rows(lattice, layout(lattice, 1, 99), ((-1, 2), (-1, 5))).tolist()
    [[0, 0, 6, 0, 0], [0, 6, 1, 4, 1], [4, 12, 1, 4, 1]]
    """
    *outer, (first, last) = window
    n = lattice.sources[-1]
    length = last - first
    before = min(max(-first, 0), length)
    after = min(max(last - n, 0), length - before)
    table = []
    for index in itertools.product(*(range(*bounds) for bounds in outer)):
        place = sum(
            (i - low) * stride
            for i, (low, _), stride in zip(index, outer, lay.strides, strict=False)
        )
        source = 0
        for i, size in zip(index, lattice.sources, strict=False):
            source = source * size + i
        inside = all(0 <= i < size for i, size in zip(index, lattice.sources, strict=False))
        if inside and length > before + after:
            count = length - before - after
            table.append((source * n + first + before, place, before, count, after))
        else:
            table.append((0, place, length, 0, 0))
    return np.array(table, np.int64).reshape(-1, 5)


def emit_copy(
    code: Emitter,
    dtype: str,
    lanes: int,
    source: Value,
    images: Value,
    scratch: Value,
    table: Value,
    bounds: tuple[Value, Value],
) -> None:
    """Write the copy of one channel's rows ``bounds`` of a `rows` table.

    ``source`` is the address of the channel's first pixel in its image vector, ``scratch`` that
    of its first place; ``images`` is how far pixels are apart.
    """
    zero = code.constant(0, dtype, lanes)
    with code.loop(*bounds) as r:
        entry = code.at(table, "int64", code.index((r, 5)))
        pixel, place, before, count, after = (integer_at(code, entry, i) for i in range(5))
        start = code.at(source, dtype, code.index((pixel, images)))
        target = code.at(scratch, dtype, code.index((place, lanes)))
        with code.loop(0, before) as i:
            code.store(zero, target, code.index((i, lanes)))
        middle = code.at(target, dtype, code.index((before, lanes)))
        with code.loop(0, count) as i:
            vector = code.load(start, dtype, lanes, code.index((i, images)))
            code.store(vector, middle, code.index((i, lanes)))
        end = code.at(middle, dtype, code.index((count, lanes)))
        with code.loop(0, after) as i:
            code.store(zero, end, code.index((i, lanes)))
