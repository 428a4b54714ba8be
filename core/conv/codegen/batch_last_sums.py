"""Convolution of batch-last arrays, and its gradient with respect to the input.

A tile is P output channels by V pixels of one vector of images, and stays in registers for all
steps of the sum. A step is an input channel and a tap::

    out[p, v] += w[step, p] * x[pixel[v] + offset[step]]      for every step

Pixels, steps and weights are found through tables, so that one kernel serves every number of
axes, kernel size, stride, dilation and padding, forward and back.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np

from core.conv.codegen.batch_last_copy import Layout, emit_copy, layout, rows
from core.conv.codegen.batch_last_lattice import Box, Lattice, Phase
from core.conv.codegen.batch_last_tile import Tile, tiles
from core.conv.codegen.channels_lanes import Table
from core.conv.codegen.channels_sums import cycles
from core.conv.codegen.channels_transpose import integer_at
from core.conv.codegen.emit import Emitter, Kind, Value
from core.conv.codegen.library import load
from core.conv.codegen.target import Target, host
from core.conv.normal import Shape

PARAMETERS: tuple[Kind, ...] = ("pointer",) * 12 + ("integer",) * 12
# The inputs of a block stay in a core's own cache.
_BLOCK_BYTES = 3 << 17
# Cycles of a tile beside its steps: per sum, to be set to zero and stored; and for its addresses.
_PER_SUM, _PER_TILE = 1.5, 15


class Tables(NamedTuple):
    """Where everything is; see `source` for the first six.

    Attributes
    ----------
    scratch : int
        Vectors of scratch memory.
    channel : int
        From one of its channels to the next, in elements.
    """

    blocks: Table
    rows: Table
    sets: Table
    steps: Table
    taps: Table
    places: Table
    scratch: int
    channel: int


@lru_cache(maxsize=256)
def kernel(tile: Tile) -> Callable[..., None]:
    """Return the compiled kernel for this machine; for its arguments see `source`."""
    return load(partial(source, tile, host()), "batch_last_sums", PARAMETERS)


def source(tile: Tile, target: Target) -> str:
    """Return the IR of a kernel.

    Its arguments:

    - the addresses of the input, the weights, the output, and of one number to which 0 is added
      if all weights are finite, else NaN; of scratch memory for inputs and for weights;
    - a table of blocks: first and last row, first and last set;
    - the rows to copy (`core.conv.codegen.batch_last_copy.rows`);
    - a table of sets, outputs with the same taps: first step, number of steps, first and last
      place of the tile;
    - a table of steps: how far each finds its input;
    - a table of taps: how far each step finds its weight from the channel's first one;
    - a table of places of the tile: V places in scratch memory, V output pixels;
    - the numbers of images, of vectors of them, of blocks, and of groups;
    - the numbers of input and output channels of a group;
    - the numbers of input and output pixels, and of steps of all sets;
    - how far the weights of output channels are apart, and those of groups;
    - how far channels are apart in scratch memory.

    Examples
    --------
    >>> "llvm.fma" in source(Tile("float32", 16, 4, 4), host())
    True
    """
    code = Emitter(target, "batch_last_sums", PARAMETERS)
    x, weights, out, finite, scratch, packed, *tables = code.arguments[:12]
    blocks, row_table, sets, steps, taps, places = tables
    images, vectors, count, groups, channels, panel_channels = code.arguments[12:18]
    pixels, out_pixels, all_steps, w_row, w_group, channel = code.arguments[18:]
    dtype, lanes = tile.dtype, tile.lanes
    panels = code.builder.sdiv(code.index(panel_channels, tile.panel - 1), code.integer(tile.panel))
    last_panel = code.index(panel_channels, -tile.panel)
    panel_size = code.index((all_steps, tile.panel))
    channel_out = code.index((out_pixels, images))
    zero = code.constant(0, dtype, 1)
    with code.loop(0, groups) as group:
        own_weights = code.at(weights, dtype, code.index((group, w_group)))
        with code.loop(0, panels) as panel:
            first = code.minimum(code.index((panel, tile.panel)), last_panel)
            target_panel = code.at(packed, dtype, code.index((panel, panel_size)))
            total = [code.load(finite, dtype, 1)]
            with code.loop(0, all_steps, carried=total) as step:
                tap = integer_at(code, taps, step)
                for p in range(tile.panel):
                    row = code.index(first, p)
                    weight = code.load(own_weights, dtype, 1, code.index((row, w_row), tap))
                    code.store(weight, target_panel, code.index((step, tile.panel), p))
                    total[0] = code.fma(zero, weight, total[0])
            code.store(total[0], finite)
        with code.loop(0, count) as block, code.loop(0, vectors) as vector:
            first_image = code.index((vector, lanes))
            entry = code.at(blocks, "int64", code.index((block, 4)))
            bounds = integer_at(code, entry, 0), integer_at(code, entry, 1)
            with code.loop(0, channels) as c:
                own = code.index(code.index((group, channels)), c)
                start = code.index((code.index((own, pixels)), images), first_image)
                source_channel = code.at(x, dtype, start)
                target_channel = code.at(scratch, dtype, code.index((c, channel)))
                copy = source_channel, images, target_channel, row_table, bounds
                emit_copy(code, dtype, lanes, *copy)
            corner = code.index((code.index((group, panel_channels)), channel_out), first_image)
            own_out = code.at(out, dtype, corner)
            with code.loop(integer_at(code, entry, 2), integer_at(code, entry, 3)) as one:
                chosen = code.at(sets, "int64", code.index((one, 4)))
                first_step, step_count = integer_at(code, chosen, 0), integer_at(code, chosen, 1)
                own_steps = code.at(steps, "int64", first_step)
                factors = code.at(packed, dtype, code.index((first_step, tile.panel)))
                with code.loop(integer_at(code, chosen, 2), integer_at(code, chosen, 3)) as place:
                    spots = code.at(places, "int64", code.index((place, 2 * tile.vectors)))
                    with code.loop(0, panels) as panel:
                        own_factors = code.at(factors, dtype, code.index((panel, panel_size)))
                        sums = _emit_sums(
                            code, tile, scratch, spots, own_steps, own_factors, step_count
                        )
                        first = code.minimum(code.index((panel, tile.panel)), last_panel)
                        _emit_stores(code, tile, sums, own_out, spots, first, images, channel_out)
    return code.finish()


def _emit_sums(
    code: Emitter,
    tile: Tile,
    scratch: Value,
    spots: Value,
    steps: Value,
    factors: Value,
    count: Value,
) -> list[Value]:
    # The sums of a tile, channel by channel.
    dtype, lanes = tile.dtype, tile.lanes
    inputs = [code.at(scratch, dtype, integer_at(code, spots, v)) for v in range(tile.vectors)]
    sums = [code.constant(0, dtype, lanes)] * (tile.panel * tile.vectors)
    with code.loop(0, count, carried=sums) as step:
        offset = integer_at(code, steps, step)
        values = [code.load(base, dtype, lanes, offset) for base in inputs]
        for p in range(tile.panel):
            at = code.index((step, tile.panel), p)
            weight = code.broadcast(factors, dtype, lanes, at)
            for v, value in enumerate(values):
                i = p * tile.vectors + v
                sums[i] = code.fma(weight, value, sums[i])
    return sums


def _emit_stores(
    code: Emitter,
    tile: Tile,
    sums: list[Value],
    out: Value,
    spots: Value,
    first: Value,
    images: Value,
    channel: Value,
) -> None:
    for v in range(tile.vectors):
        pixel = integer_at(code, spots, tile.vectors + v)
        spot = code.index((pixel, images), (first, channel))
        for p in range(tile.panel):
            code.store(sums[p * tile.vectors + v], out, code.index(spot, (channel, p)))


@lru_cache(maxsize=1024)
def best_tile(dtype: str, pixels: int, channels: int, steps: int, target: Target) -> Tile:
    """Return the tile that takes the fewest cycles.

    Parameters
    ----------
    dtype : str
        Real dtype.
    pixels : int
        Outputs with the same taps, in a block.
    channels : int
        Output channels of a group.
    steps : int
        Input channels times taps.
    target : Target
        The processor.

    Examples
    --------
    >>> tile = best_tile("float32", 256, 16, 144, host())
    >>> 16 % tile.panel
    0
    """

    def price(tile: Tile) -> float:
        count = -(-channels // tile.panel) * -(-pixels // tile.vectors)
        each = steps * cycles(tile.panel, tile.vectors) + _PER_SUM * tile.panel * tile.vectors
        return count * (each + _PER_TILE)

    # Panels overlap where channels are left over, so none may have more of them than there are.
    return min((t for t in tiles(dtype, target) if t.panel <= channels), key=price)


def sized(lattice: Lattice, channels: int, itemsize: int, lanes: int) -> Layout:
    """Return blocks whose inputs stay in the cache."""
    return layout(lattice, channels, _BLOCK_BYTES // (itemsize * lanes))


def tables(lattice: Lattice, lay: Layout, channels: int, w_channel: int, tile: Tile) -> Tables:
    """Return all tables.

    Parameters
    ----------
    lattice, lay
        What is computed, and in which blocks.
    channels : int
        Input channels of a group.
    w_channel : int
        How far the weights of neighbouring input channels are apart.
    tile : Tile
        The kernel.
    """
    steps = [_steps(phase, lattice.kernel, lay, channels, w_channel) for phase in lattice.phases]
    begins = np.cumsum([0, *(len(s) for s in steps)])
    blocks: list[tuple[int, ...]] = []
    sets: list[tuple[int, ...]] = []
    copied, places = [], []
    row = place = 0
    for block in lattice.blocks(lay.size):
        window = lattice.window(block)
        own_rows = rows(lattice, lay, window)
        first_set = len(sets)
        for phase, own_steps, begin in zip(lattice.phases, steps, begins[:-1], strict=True):
            own = _places(phase, lattice, lay, block, window, tile)
            if len(own):
                sets.append((begin, len(own_steps), place, place + len(own)))
                places.append(own)
                place += len(own)
        blocks.append((row, row + len(own_rows), first_set, len(sets)))
        copied.append(own_rows)
        row += len(own_rows)
    lanes = tile.lanes
    return Tables(
        np.array(blocks, np.int64),
        np.concatenate(copied),
        np.array(sets, np.int64),
        np.concatenate(steps)[:, 0] * lanes,
        np.concatenate(steps)[:, 1].copy(),
        np.concatenate(places),
        lay.channel * channels,
        lay.channel * lanes,
    )


def _steps(phase: Phase, kernel: Shape, lay: Layout, channels: int, w_channel: int) -> Table:
    # How far each step finds its input, in vectors, and its weight.
    pairs = []
    for chosen in itertools.product(*(zip(axis.offsets, axis.taps, strict=True) for axis in phase)):
        at = sum(offset * s for (offset, _), s in zip(chosen, lay.strides, strict=True))
        tap = 0
        for (_, t), k in zip(chosen, kernel, strict=True):
            tap = tap * k + t
        pairs.append((at, tap))
    own = np.array(pairs, np.int64).reshape(-1, 2)
    each = np.arange(channels)[:, None, None] * np.array([lay.channel, w_channel])
    both: Table = each + own
    return both.reshape(-1, 2)


def _places(
    phase: Phase, lattice: Lattice, lay: Layout, block: Box, window: Box, tile: Tile
) -> Table:
    # For each place of the tile its inputs in scratch memory, in elements, and its pixels.
    inputs = targets = np.zeros(1, np.int64)
    for axis, ((first, last), (low, _)) in enumerate(zip(block, window, strict=True)):
        along = phase[axis]
        m = np.arange(first, min(last, len(along.targets)))
        if not len(m):
            return np.zeros((0, 2 * tile.vectors), np.int64)
        inputs = np.add.outer(inputs, (m * along.step - low) * lay.strides[axis]).ravel()
        pitch = math.prod(lattice.targets[axis + 1 :])
        begin, step = along.targets.start, along.targets.step
        targets = np.add.outer(targets, (begin + m * step) * pitch).ravel()
    both = [_in_tiles(inputs * tile.lanes, tile.vectors), _in_tiles(targets, tile.vectors)]
    return np.concatenate(both, axis=1)


def _in_tiles(numbers: Table, vectors: int) -> Table:
    # Where numbers are left over, the last one is repeated.
    short = -len(numbers) % vectors
    return np.concatenate([numbers, np.repeat(numbers[-1:], short)]).reshape(-1, vectors)
