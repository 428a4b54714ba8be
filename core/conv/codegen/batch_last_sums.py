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
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np

from core.conv.codegen.batch_last_copy import Layout, emit_copy, layout, rows
from core.conv.codegen.batch_last_epilogue import PLAIN, Epilogue, emit_epilogue
from core.conv.codegen.batch_last_lattice import Box, Lattice, Phase, Segment
from core.conv.codegen.batch_last_tile import Tile, tiles
from core.conv.codegen.channels_lanes import Table
from core.conv.codegen.channels_sums import cycles
from core.conv.codegen.channels_transpose import integer_at
from core.conv.codegen.emit import Emitter, Kind, Value
from core.conv.codegen.library import Kernel, load
from core.conv.codegen.target import Target, host

PARAMETERS: tuple[Kind, ...] = ("pointer",) * 12 + ("integer",) * 13
# The inputs of a block stay in a core's own cache.
_BLOCK_BYTES = 3 << 17
# Cycles of a tile beside its steps: per sum, to be set to zero and stored; and for its addresses.
_PER_SUM, _PER_TILE = 1.5, 15


class Tables(NamedTuple):
    """Where everything is; see `source` for the first five.

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
    places: Table
    scratch: int
    channel: int


@lru_cache(maxsize=256)
def kernel(tile: Tile, epilogue: Epilogue = PLAIN) -> Kernel:
    """Return the compiled kernel for this machine; for its arguments see `source`."""
    return load(partial(source, tile, host(), epilogue), "batch_last_sums", PARAMETERS)


def source(tile: Tile, target: Target, epilogue: Epilogue = PLAIN) -> str:
    """Return the IR of a kernel.

    Its arguments:

    - the addresses of the input, the weights, the output, and of one number to which 0 is added
      if all weights are finite, else NaN; of what is added to the output's channels; of scratch
      memory for inputs and for weights;
    - a table of blocks: first and last row, first and last set;
    - the rows to copy (`core.conv.codegen.batch_last_copy.rows`);
    - a table of sets, outputs with the same taps: first step, number of steps, first and last
      place of the tile;
    - a table of steps: how far each finds its input, and its P weights;
    - a table of places of the tile: V places in scratch memory, V output pixels;
    - the numbers of images, of vectors of them, of blocks, and of groups;
    - the numbers of input and output channels of a group;
    - the numbers of input and output pixels, and of taps;
    - how far weights are apart: of input channels, of output channels, of groups;
    - how far channels are apart in scratch memory.

    Examples
    --------
    >>> "llvm.fma" in source(Tile("float32", 16, 4, 4), host())
    True
    """
    code = Emitter(target, "batch_last_sums", PARAMETERS)
    x, weights, out, finite, bias, scratch, packed, *tables = code.arguments[:12]
    blocks, row_table, sets, steps, places = tables
    images, vectors, count, groups, channels, panel_channels = code.arguments[12:18]
    pixels, out_pixels, taps, w_channel, w_row, w_group, channel = code.arguments[18:]
    dtype, lanes = tile.dtype, tile.lanes
    panels = code.builder.sdiv(code.index(panel_channels, tile.panel - 1), code.integer(tile.panel))
    last_panel = code.index(panel_channels, -tile.panel)
    panel_size = code.index((code.index((channels, taps)), tile.panel))
    channel_out = code.index((out_pixels, images))
    zero = code.constant(0, dtype, 1)
    with code.loop(0, groups) as group:
        own_weights = code.at(weights, dtype, code.index((group, w_group)))
        own_bias = code.at(bias, dtype, code.index((group, panel_channels)))
        with code.loop(0, panels) as panel:
            first = code.minimum(code.index((panel, tile.panel)), last_panel)
            target_panel = code.at(packed, dtype, code.index((panel, panel_size)))
            total = [code.load(finite, dtype, 1)]
            with (
                code.loop(0, channels, carried=total) as c,
                code.loop(0, taps, carried=total) as tap,
            ):
                step = code.index((c, taps), tap)
                for p in range(tile.panel):
                    row = code.index(first, p)
                    spot = code.index((row, w_row), (c, w_channel), tap)
                    weight = code.load(own_weights, dtype, 1, spot)
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
                own_steps = code.at(steps, "int64", code.index((first_step, 2)))
                with code.loop(integer_at(code, chosen, 2), integer_at(code, chosen, 3)) as place:
                    spots = code.at(places, "int64", code.index((place, 2 * tile.vectors)))
                    with code.loop(0, panels) as panel:
                        own_factors = code.at(packed, dtype, code.index((panel, panel_size)))
                        sums = _emit_sums(
                            code, tile, scratch, spots, own_steps, own_factors, step_count
                        )
                        first = code.minimum(code.index((panel, tile.panel)), last_panel)
                        for i, total in enumerate(sums):
                            at = code.index(first, i // tile.vectors)
                            sums[i] = emit_epilogue(code, epilogue, dtype, total, own_bias, at)
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
        entry = code.at(steps, "int64", code.index((step, 2)))
        offset, first = integer_at(code, entry, 0), integer_at(code, entry, 1)
        values = [code.load(base, dtype, lanes, offset) for base in inputs]
        for p in range(tile.panel):
            weight = code.broadcast(factors, dtype, lanes, code.index(first, p))
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


def best_tile(
    lattice: Lattice, lay: Layout, channels: int, out_channels: int, dtype: str, target: Target
) -> Tile:
    """Return the tile that takes the fewest cycles for the first block.

    Parameters
    ----------
    lattice, lay
        What is computed, and in which blocks.
    channels, out_channels : int
        Input and output channels of a group.
    dtype : str
        Real dtype.
    target : Target
        The processor.
    """
    block = next(lattice.blocks(lay.size))

    def price(tile: Tile) -> float:
        sets = [_split(phase, lattice, block, channels, tile) for phase in lattice.phases]
        panels = -(-out_channels // tile.panel)
        return panels * sum(_price(one, channels, tile) for one in sets)

    # Panels overlap where channels are left over, so none may have more of them than there are.
    return min((t for t in tiles(dtype, target) if t.panel <= out_channels), key=price)


def price(lattice: Lattice, channels: int, out_channels: int, dtype: str, target: Target) -> float:
    """Return how many cycles one vector of images takes, if nothing has to be waited for."""
    itemsize = np.dtype(dtype).itemsize
    lay = sized(lattice, channels, itemsize, target.lanes(itemsize))
    tile = best_tile(lattice, lay, channels, out_channels, dtype, target)
    total = 0.0
    for block in lattice.blocks(lay.size):
        for phase in lattice.phases:
            total += _price(_split(phase, lattice, block, channels, tile), channels, tile)
    return total * -(-out_channels // tile.panel)


def sized(lattice: Lattice, channels: int, itemsize: int, lanes: int) -> Layout:
    """Return blocks whose inputs stay in the cache."""
    return layout(lattice, channels, _BLOCK_BYTES // (itemsize * lanes))


def tables(lattice: Lattice, lay: Layout, channels: int, tile: Tile) -> Tables:
    """Return all tables.

    Parameters
    ----------
    lattice, lay
        What is computed, and in which blocks.
    channels : int
        Input channels of a group.
    tile : Tile
        The kernel.
    """
    blocks: list[tuple[int, ...]] = []
    sets: list[tuple[int, ...]] = []
    copied, places = [], []
    steps = _Steps(lattice, lay, channels, tile)
    row = place = 0
    for block in lattice.blocks(lay.size):
        window = lattice.window(block)
        own_rows = rows(lattice, lay, window)
        first_set = len(sets)
        for phase in lattice.phases:
            for segments in _split(phase, lattice, block, channels, tile):
                own = _places(phase, lattice, lay, segments, window, tile)
                sets.append((*steps.of(phase, segments), place, place + len(own)))
                places.append(own)
                place += len(own)
        blocks.append((row, row + len(own_rows), first_set, len(sets)))
        copied.append(own_rows)
        row += len(own_rows)
    return Tables(
        np.array(blocks, np.int64),
        np.concatenate(copied),
        np.array(sets, np.int64),
        np.concatenate(steps.found),
        np.concatenate(places),
        lay.channel * channels,
        lay.channel * tile.lanes,
    )


def _split(
    phase: Phase, lattice: Lattice, block: Box, channels: int, tile: Tile
) -> list[tuple[Segment, ...]]:
    # The outputs of a block in sets that need the same taps: along those axes where leaving out
    # the taps that find zeros saves more than smaller sets waste.
    both = []
    for axis, (first, last), n in zip(phase, block, lattice.sources, strict=True):
        stop = min(last, len(axis.targets))
        whole = [Segment(first, stop, tuple(range(len(axis.taps))))] if stop > first else []
        both.append((whole, list(axis.segments(first, stop, n))))
    ways = [list(itertools.product(*chosen)) for chosen in itertools.product(*both)]
    return min(ways, key=lambda sets: _price(sets, channels, tile))


def _price(sets: list[tuple[Segment, ...]], channels: int, tile: Tile) -> float:
    # In cycles, for one panel.
    total = 0.0
    for segments in sets:
        steps = channels * math.prod(len(s.taps) for s in segments)
        count = -(-math.prod(s.last - s.first for s in segments) // tile.vectors)
        each = steps * cycles(tile.panel, tile.vectors) + _PER_SUM * tile.panel * tile.vectors
        total += count * (each + _PER_TILE)
    return total


class _Steps:
    """The steps of all sets; those with the same taps share theirs."""

    def __init__(self, lattice: Lattice, lay: Layout, channels: int, tile: Tile) -> None:
        self.found: list[Table] = [np.zeros((0, 2), np.int64)]
        self._lattice, self._lay, self._channels, self._tile = lattice, lay, channels, tile
        self._known: dict[tuple[tuple[tuple[int, int], ...], ...], tuple[int, int]] = {}

    def of(self, phase: Phase, segments: tuple[Segment, ...]) -> tuple[int, int]:
        """Return the first step of a set, and the number of its steps."""
        key = tuple(
            tuple((axis.offsets[k], axis.taps[k]) for k in segment.taps)
            for axis, segment in zip(phase, segments, strict=True)
        )
        if key not in self._known:
            steps = self._made(key)
            self._known[key] = sum(map(len, self.found)), len(steps)
            self.found.append(steps)
        return self._known[key]

    def _made(self, chosen: tuple[tuple[tuple[int, int], ...], ...]) -> Table:
        # How far each step finds its input and its weights, in elements.
        at = tap = np.zeros(1, np.int64)
        for pairs, stride, k in zip(chosen, self._lay.strides, self._lattice.kernel, strict=True):
            own = np.array(pairs, np.int64).reshape(-1, 2)
            at = np.add.outer(at, own[:, 0] * stride).ravel()
            tap = np.add.outer(tap * k, own[:, 1]).ravel()
        c = np.arange(self._channels)[:, None]
        inputs = (c * self._lay.channel + at) * self._tile.lanes
        weights = (c * self._lattice.taps + tap) * self._tile.panel
        return np.stack([inputs.ravel(), weights.ravel()], axis=1)


def _places(
    phase: Phase,
    lattice: Lattice,
    lay: Layout,
    segments: tuple[Segment, ...],
    window: Box,
    tile: Tile,
) -> Table:
    # For each place of the tile its inputs in scratch memory, in elements, and its pixels.
    inputs = targets = np.zeros(1, np.int64)
    for axis, (segment, (low, _)) in enumerate(zip(segments, window, strict=True)):
        along = phase[axis]
        m = np.arange(segment.first, segment.last)
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
