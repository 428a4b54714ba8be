"""How Winograd's convolution of batch-last arrays is cut into blocks, and where everything is."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.conv.codegen.batch_last_copy import Layout, rows
from core.conv.codegen.batch_last_lattice import Lattice
from core.conv.codegen.batch_last_tile import Tile, tiles
from core.conv.codegen.batch_last_winograd import PRODUCTS
from core.conv.codegen.channels_lanes import Table
from core.conv.codegen.channels_sums import cycles
from core.conv.codegen.target import Target
from core.conv.codegen.winograd_transforms import SIDE

# Values and products of a block stay in a core's own cache.
_BLOCK_BYTES = 1 << 19
# Output channels whose products are held at a time, at least.
_CHUNK = 16
# Vectors of one point and of the next would meet in the same sets of a cache.
_PAD_VECTORS = 5
# Cycles to transform the inputs and the outputs of a tile, and of a sum beside its steps.
_INPUTS, _OUTPUTS, _PER_SUM, _PER_TILE = 150, 80, 1.5, 15


@dataclass(frozen=True)
class Cut:
    """How a layer is computed.

    Parameters
    ----------
    tile : Tile
        The kernel of the products.
    size : (int, int)
        Rows and columns of tiles in a block.
    at_a_time : int
        Vectors of images in a block.
    chunk : int
        Output channels whose products are held at a time.
    """

    tile: Tile
    size: tuple[int, int]
    at_a_time: int
    chunk: int

    @property
    def tiles(self) -> int:
        """Tiles of a block that memory is there for."""
        count = self.size[0] * self.size[1] * self.at_a_time
        return -(-count // self.tile.vectors) * self.tile.vectors


@dataclass(frozen=True)
class Tables:
    """Where everything is; see `core.conv.codegen.batch_last_winograd.source`.

    Parameters
    ----------
    blocks, rows, tiles, taps : array
        The tables.
    layout : Layout
        Of the inputs in scratch memory.
    """

    blocks: Table
    rows: Table
    tiles: Table
    taps: Table
    layout: Layout


def grid(lattice: Lattice) -> tuple[int, int]:
    """Return how many tiles the output has, along rows and columns."""
    m = SIDE + 1 - lattice.kernel[0]
    down, across = (-(-n // m) for n in lattice.targets)
    return down, across


def choose(
    lattice: Lattice, channels: int, out_channels: int, vectors: int, dtype: str, target: Target
) -> tuple[float, Cut]:
    """Return the cycles of a group of channels, and the cut that takes so many.

    Parameters
    ----------
    lattice : Lattice
        The geometry, for which there are transforms.
    channels, out_channels : int
        Of a group.
    vectors : int
        Vectors of images.
    dtype : str
        Real dtype.
    target : Target
        The processor.
    """
    down, across = grid(lattice)
    itemsize = np.dtype(dtype).itemsize
    whole = down * across * vectors
    transforms = whole * (channels * _INPUTS + out_channels * _OUTPUTS)

    def price(cut: Cut) -> float:
        per_block = cut.size[0] * cut.size[1] * cut.at_a_time
        blocks = math.ceil(down / cut.size[0]) * math.ceil(across / cut.size[1])
        blocks *= math.ceil(vectors / cut.at_a_time)
        # Blocks at the end are smaller: their share of what others take.
        share = whole / (blocks * per_block)
        tile = cut.tile
        sums = math.ceil(per_block / tile.vectors) * math.ceil(out_channels / tile.panel)
        each = channels * cycles(tile.panel, tile.vectors)
        each += _PER_SUM * tile.panel * tile.vectors + _PER_TILE
        return blocks * max(share, 0.5) * sums * PRODUCTS * each + transforms

    cuts = list(_cuts((down, across), vectors, out_channels, dtype, target))
    lanes = cuts[0].tile.lanes
    fitting = [cut for cut in cuts if held(cut, channels) * lanes * itemsize <= _BLOCK_BYTES]
    best = min(fitting or cuts[:1], key=price)
    return price(best), best


def held(cut: Cut, channels: int) -> int:
    """Return the vectors of values and products of a block."""
    return PRODUCTS * cut.tiles * (channels + cut.chunk)


def _cuts(
    size: tuple[int, int],
    vectors: int,
    out_channels: int,
    dtype: str,
    target: Target,
) -> Iterator[Cut]:
    # The smallest one first.
    for (box, at_a_time), tile in itertools.product(
        boxes(size, vectors), list(tiles(dtype, target))
    ):
        if tile.lanes % tile.panel == 0 and tile.panel < 2 * out_channels:
            chunk = -(-min(out_channels, max(_CHUNK, tile.panel)) // tile.panel) * tile.panel
            yield Cut(tile, box, at_a_time, chunk)


def boxes(size: tuple[int, int], vectors: int) -> Iterator[tuple[tuple[int, int], int]]:
    """Yield blocks of a grid of tiles, and how many vectors of images; small ones first.

    Examples
    --------
    >>> list(boxes((2, 2), 2))
    [((1, 1), 1), ((1, 2), 1), ((2, 2), 1), ((2, 2), 2)]
    """
    down, across = size
    widths = sorted({-(-across // parts) for parts in range(1, across + 1)})
    found = [(1, width) for width in widths]
    found += [(height, across) for height in range(2, down + 1)]
    for box in found:
        for at_a_time in range(1, vectors + 1 if box == size else 2):
            yield box, at_a_time


def tables(lattice: Lattice, cut: Cut, w_columns: int) -> Tables:
    """Return the tables; ``w_columns`` is the number of columns of the kernel."""
    (phase,) = lattice.phases
    lanes, m = cut.tile.lanes, SIDE + 1 - lattice.kernel[0]
    down, across = grid(lattice)
    low = [min(axis.offsets) for axis in phase]
    height, width = (n * m + SIDE - m for n in cut.size)
    layout = Layout(cut.size, (width, 1), (height * width) | 1)
    blocks, copied, placed = [], [], []
    row = tile = 0
    for top, left in itertools.product(range(0, down, cut.size[0]), range(0, across, cut.size[1])):
        bottom, right = min(top + cut.size[0], down), min(left + cut.size[1], across)
        window = tuple(
            (first * m + least, last * m + SIDE - m + least)
            for first, last, least in ((top, bottom, low[0]), (left, right, low[1]))
        )
        own_rows = rows(lattice, layout, window)
        own = [
            (
                ((i - top) * m * width + (j - left) * m) * lanes,
                i * m * lattice.targets[1] + j * m,
                min(m, lattice.targets[0] - i * m),
                min(m, lattice.targets[1] - j * m),
            )
            for i, j in itertools.product(range(top, bottom), range(left, right))
        ]
        blocks.append((row, row + len(own_rows), tile, len(own)))
        copied.append(own_rows)
        placed.extend(own)
        row, tile = row + len(own_rows), tile + len(own)
    order = [
        [tap for _, tap in sorted(zip(axis.offsets, axis.taps, strict=True))] for axis in phase
    ]
    taps = [a * w_columns + b for a, b in itertools.product(*order)]
    return Tables(
        np.array(blocks, np.int64),
        np.concatenate(copied),
        np.array(placed, np.int64),
        np.array(taps, np.int64),
        layout,
    )


def padded(vectors: int, lanes: int) -> int:
    """Return how far points are apart, in elements, where one has so many vectors."""
    return (vectors + _PAD_VECTORS) * lanes
