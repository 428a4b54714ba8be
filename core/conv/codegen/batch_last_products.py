"""The gradient of a convolution of batch-last arrays with respect to its kernels.

A tile is P output channels by V pairs of an input channel and a tap, and stays in registers for
all pixels of a block; the lanes of its sums, which are images, are added in the end::

    dw[p, v] += dy[p, pixel] * x[source[pixel] + offset[v]]      for every pixel
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np

from core.conv.codegen.batch_last_copy import Layout, emit_copy, layout, rows
from core.conv.codegen.batch_last_lattice import Box, Lattice
from core.conv.codegen.batch_last_tile import Tile, tiles
from core.conv.codegen.channels_lanes import Table
from core.conv.codegen.channels_sums import cycles
from core.conv.codegen.channels_transpose import integer_at
from core.conv.codegen.emit import Emitter, Kind, Value
from core.conv.codegen.library import Kernel, load
from core.conv.codegen.target import Target, host

PARAMETERS: tuple[Kind, ...] = ("pointer",) * 10 + ("integer",) * 13
# The inputs of a block stay in a core's own cache, beside as many gradients.
_BLOCK_BYTES = 3 << 17
# Cycles of a tile beside its pixels: per sum, to add its lanes; and for its addresses.
_PER_SUM, _PER_TILE = 5, 20


class Tables(NamedTuple):
    """Where everything is; see `source` for the first five.

    Attributes
    ----------
    scratch, scratch_dy : int
        Elements of scratch memory for one vector of images: of inputs, and of gradients.
    channel : int
        From one channel of the inputs to the next in scratch memory, in elements.
    at_a_time : int
        Vectors of images in a block.
    """

    blocks: Table
    rows: Table
    runs: Table
    pixels: Table
    pairs: Table
    scratch: int
    scratch_dy: int
    channel: int
    at_a_time: int


@lru_cache(maxsize=256)
def kernel(tile: Tile) -> Kernel:
    """Return the compiled kernel for this machine; for its arguments see `source`."""
    return load(partial(source, tile, host()), "batch_last_products", PARAMETERS)


def source(tile: Tile, target: Target) -> str:
    """Return the IR of a kernel.

    Its arguments:

    - the addresses of the input, the gradient of the output, the result ``(group, channel, pair)``
      to add to, with channels and pairs rounded up to whole tiles, and of scratch memory for
      inputs and for gradients;
    - a table of blocks: first and last row, first and last run, first pixel, number of pixels;
    - the rows to copy (`core.conv.codegen.batch_last_copy.rows`);
    - the runs of gradients to copy: pixel, place, number of pixels;
    - a table of pixels: how far each is in scratch memory;
    - a table of V pairs per tile: how far each is in scratch memory;
    - the numbers of images, of vectors of them, of vectors in a block, of blocks, and of groups;
    - the numbers of input and output channels of a group, and of tiles of pairs;
    - the numbers of input and output pixels;
    - how far channels of inputs are apart in scratch memory; how much of it a vector of images
      takes, for inputs and for gradients.

    Examples
    --------
    >>> "llvm.fma" in source(Tile("float32", 16, 4, 4), host())
    True
    """
    code = Emitter(target, "batch_last_products", PARAMETERS)
    x, dy, out, inputs, gradients, blocks, row_table, runs, pixels, pairs, *numbers = code.arguments
    images, vectors, at_a_time, count, groups, channels, out_channels, pair_tiles = numbers[:8]
    x_pixels, dy_pixels, channel, x_size, dy_size = numbers[8:]
    dtype, lanes, P, V = tile.dtype, tile.lanes, tile.panel, tile.vectors
    panels = code.builder.sdiv(code.index(out_channels, P - 1), code.integer(P))
    panel_size = code.builder.sdiv(dy_size, panels)
    row_length = code.index((pair_tiles, V))
    last_channel = code.index(out_channels, -1)
    with (
        code.loop(0, groups) as group,
        code.loop(0, count) as block,
        code.loop(0, vectors, at_a_time) as first_vector,
    ):
        entry = code.at(blocks, "int64", code.index((block, 6)))
        row_bounds, run_bounds, (first_pixel, pixel_count) = (
            (integer_at(code, entry, i), integer_at(code, entry, i + 1)) for i in (0, 2, 4)
        )
        left = code.builder.sub(vectors, first_vector)
        together = code.minimum(at_a_time, left)
        with code.loop(0, together) as j:
            image = code.index((code.index(first_vector, j), lanes))
            with code.loop(0, channels) as c:
                own = code.index(code.index((group, channels)), c)
                emit_copy(
                    code,
                    dtype,
                    lanes,
                    code.at(x, dtype, code.index((code.index((own, x_pixels)), images), image)),
                    images,
                    code.at(inputs, dtype, code.index((j, x_size), (c, channel))),
                    row_table,
                    row_bounds,
                )
            with code.loop(0, panels) as panel, code.loop(0, P) as p:
                # Where channels are left over, the last one is repeated: nobody reads its sums.
                o = code.minimum(code.index((panel, P), p), last_channel)
                own = code.index(code.index((group, out_channels)), o)
                start = code.index((code.index((own, dy_pixels)), images), image)
                place = code.index((j, dy_size), (panel, panel_size), (p, lanes))
                _emit_runs(
                    code,
                    tile,
                    code.at(dy, dtype, start),
                    images,
                    code.at(gradients, dtype, place),
                    runs,
                    run_bounds,
                )
        sources = code.at(pixels, "int64", first_pixel)
        with code.loop(0, pair_tiles) as pair:
            offsets = code.at(pairs, "int64", code.index((pair, V)))
            bases = [code.at(inputs, dtype, integer_at(code, offsets, v)) for v in range(V)]
            with code.loop(0, panels) as panel:
                own_gradients = code.at(gradients, dtype, code.index((panel, panel_size)))
                sums = [code.constant(0, dtype, lanes)] * (P * V)
                with code.loop(0, together, carried=sums) as j:
                    mine = [code.at(base, dtype, code.index((j, x_size))) for base in bases]
                    factors = code.at(own_gradients, dtype, code.index((j, dy_size)))
                    with code.loop(0, pixel_count, carried=sums) as pixel:
                        offset = integer_at(code, sources, pixel)
                        values = [code.load(base, dtype, lanes, offset) for base in mine]
                        for p in range(P):
                            at = code.index((pixel, P * lanes), p * lanes)
                            factor = code.load(factors, dtype, lanes, at)
                            for v, value in enumerate(values):
                                sums[p * V + v] = code.fma(factor, value, sums[p * V + v])
                row = code.index((group, panels), panel)
                corner = code.index((code.index((row, P)), row_length), (pair, V))
                result = code.at(out, dtype, corner)
                for p in range(P):
                    _emit_add(code, tile, sums[p * V : (p + 1) * V], result, (row_length, p))
    return code.finish()


def _emit_runs(
    code: Emitter,
    tile: Tile,
    source: Value,
    images: Value,
    scratch: Value,
    runs: Value,
    bounds: tuple[Value, Value],
) -> None:
    # One channel's gradients, between those of the other channels of the panel.
    dtype, lanes = tile.dtype, tile.lanes
    with code.loop(*bounds) as r:
        entry = code.at(runs, "int64", code.index((r, 3)))
        pixel, place, count = (integer_at(code, entry, i) for i in range(3))
        start = code.at(source, dtype, code.index((pixel, images)))
        target = code.at(scratch, dtype, code.index((place, tile.panel * lanes)))
        with code.loop(0, count) as i:
            vector = code.load(start, dtype, lanes, code.index((i, images)))
            code.store(vector, target, code.index((i, tile.panel * lanes)))


def _emit_add(
    code: Emitter, tile: Tile, sums: Sequence[Value], out: Value, row: tuple[Value, int]
) -> None:
    # Add the lanes' totals of a row of the tile to what the row holds.
    for first in range(0, len(sums), tile.lanes):
        part = sums[first : first + tile.lanes]
        total = totals(code, part)
        found = code.shuffle(total, total, range(len(part)))
        spot = code.index(row, first)
        code.store(code.add(code.load(out, tile.dtype, len(part), spot), found), out, spot)


def totals(code: Emitter, vectors: Sequence[Value]) -> Value:
    """Return a vector whose lane ``i`` is the sum of the lanes of ``vectors[i]``.

    Two vectors become one that holds sums of neighbours of both, and so on: fewer operations than
    adding up each by itself.
    """
    lanes, width, current = vectors[0].type.count, 1, list(vectors)
    while width < lanes:
        pairs = [(a, b) for a, b in itertools.zip_longest(current[::2], current[1::2])]
        low = [i // (2 * width) * 2 * width + i % width for i in range(lanes)]
        # Blocks of ``width`` lanes are taken in turn from either.
        chosen = [i + lanes * (lane // width % 2) for lane, i in enumerate(low)]
        current = [
            code.add(
                code.shuffle(a, a if b is None else b, chosen),
                code.shuffle(a, a if b is None else b, [i + width for i in chosen]),
            )
            for a, b in pairs
        ]
        width *= 2
    return current[0]


@lru_cache(maxsize=1024)
def best_tile(dtype: str, pixels: int, channels: int, pairs: int, target: Target) -> Tile:
    """Return the tile that takes the fewest cycles.

    Parameters
    ----------
    dtype : str
        Real dtype.
    pixels : int
        Vectors of outputs in a block.
    channels, pairs : int
        Output channels of a group; and input channels times taps.
    target : Target
        The processor.

    Examples
    --------
    >>> tile = best_tile("float32", 256, 16, 144, host())
    >>> tile.panel * tile.vectors > 15
    True
    """

    def price(tile: Tile) -> float:
        count = -(-channels // tile.panel) * -(-pairs // tile.vectors)
        each = pixels * cycles(tile.panel, tile.vectors) + _PER_SUM * tile.panel * tile.vectors
        return count * (each + _PER_TILE)

    return min(tiles(dtype, target), key=price)


def sized(lattice: Lattice, channels: int, out_channels: int, itemsize: int, lanes: int) -> Layout:
    """Return blocks whose inputs and gradients stay in the cache."""
    return layout(lattice, channels, _BLOCK_BYTES // (itemsize * lanes), out_channels)


def together(lay: Layout, channels: int, out_channels: int, itemsize: int, lanes: int) -> int:
    """Return how many vectors of images a block holds: several where pictures are small."""
    larger = max(lay.channel * channels, math.prod(lay.size) * out_channels)
    return max(1, _BLOCK_BYTES // (itemsize * lanes * larger))


def tables(
    lattice: Lattice, lay: Layout, channels: int, out_channels: int, at_a_time: int, tile: Tile
) -> Tables:
    """Return all tables of a convolution with ``channels`` and ``out_channels`` per group."""
    (phase,) = lattice.phases
    lanes = tile.lanes
    blocks, copied, runs, pixels = [], [], [], []
    row = run = pixel = 0
    for block in lattice.blocks(lay.size):
        window = lattice.window(block)
        own_rows = rows(lattice, lay, window)
        own_runs = _runs(lattice, block)
        own = np.zeros(1, np.int64)
        for axis, ((first, last), (low, _)) in enumerate(zip(block, window, strict=True)):
            m = np.arange(first, last)
            own = np.add.outer(own, (m * phase[axis].step - low) * lay.strides[axis]).ravel()
        blocks.append((row, row + len(own_rows), run, run + len(own_runs), pixel, len(own)))
        copied.append(own_rows)
        runs.append(own_runs)
        pixels.append(own * lanes)
        row, run, pixel = row + len(own_rows), run + len(own_runs), pixel + len(own)
    offsets = np.zeros(1, np.int64)
    for along, stride in zip(phase, lay.strides, strict=True):
        offsets = np.add.outer(offsets, np.array(along.offsets) * stride).ravel()
    pairs: Table = np.add.outer(np.arange(channels) * lay.channel, offsets).ravel() * lanes
    short = -len(pairs) % tile.vectors
    pairs = np.concatenate([pairs, np.repeat(pairs[-1:], short)]).reshape(-1, tile.vectors)
    panels = -(-out_channels // tile.panel)
    return Tables(
        np.array(blocks, np.int64),
        np.concatenate(copied),
        np.concatenate(runs),
        np.concatenate(pixels),
        pairs,
        lay.channel * channels * lanes,
        panels * math.prod(lay.size) * tile.panel * lanes,
        lay.channel * lanes,
        at_a_time,
    )


def _runs(lattice: Lattice, block: Box) -> Table:
    # The gradients of a block: rows along the last axis, one after another.
    *outer, (first, last) = block
    table: list[tuple[int, int, int]] = []
    for index in itertools.product(*(range(*bounds) for bounds in outer)):
        pixel = 0
        for i, n in zip(index, lattice.targets, strict=False):
            pixel = pixel * n + i
        table.append(
            (pixel * lattice.targets[-1] + first, len(table) * (last - first), last - first)
        )
    return np.array(table, np.int64)
