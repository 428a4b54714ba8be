"""Which size of tiles is the fastest: the cost of each against the balance over workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from core.errors import TooLarge
from core.tiles.grid import Grid, Shape

MOST_TILES = 10_000
"""Tiles of one result: each is a job and a file."""

# The first was 0.058 and 0.089 in two runs of bench/tiles.py, on a core of an AMD EPYC with an
# S3-compatible store. The rates are estimates.
OVERHEAD_SECONDS = 0.09
READ_BYTES_PER_SECOND = 1.2e9
WRITE_BYTES_PER_SECOND = 0.45e9


class Work(NamedTuple):
    """What the convolution of one tile takes: seconds, and bytes of memory."""

    seconds: float
    bytes: int


@dataclass(frozen=True)
class Choice:
    """Tiles of one size, and what they are predicted to take.

    Attributes
    ----------
    grid : Grid
        The tiles.
    each : float
        Seconds of one tile: its overhead, reading, convolution and writing.
    seconds : float
        Until the last tile is done, on all workers.
    bytes : int
        The most memory that a tile takes.
    """

    grid: Grid
    each: float
    seconds: float
    bytes: int


def price(
    grid: Grid, itemsizes: tuple[int, int], work: Callable[[Grid], Work], workers: int
) -> Choice:
    """Return what tiles of this size are predicted to take.

    The last tile ends at the latest after ``n t / w + (1 - 1 / w) t``: the bound of list
    scheduling for n tiles of t seconds on w workers.

    Parameters
    ----------
    grid : Grid
        The tiles.
    itemsizes : tuple of int
        Bytes of a value of the input, and of all results (one for each kernel of a bank) at one
        place.
    work : callable
        What the convolution of the largest tile takes.
    workers : int
        How many there are.

    References
    ----------
    Graham, R. L. (1969). Bounds on multiprocessing timing anomalies. SIAM Journal on Applied
    Mathematics 17(2).

    Examples
    --------
    >>> grid = Grid((1000, 1000), (0, 0), (1, 1), (500, 500))
    >>> alone = price(grid, (4, 4), lambda grid: Work(1.0, 0), workers=1)
    >>> shared = price(grid, (4, 4), lambda grid: Work(1.0, 0), workers=4)
    >>> round(alone.seconds / alone.each, 3), round(shared.seconds / shared.each, 3)
    (4.0, 1.75)
    """
    inputs = prod(grid.largest) * itemsizes[0]
    outputs = prod(map(min, grid.tile, grid.out)) * itemsizes[1]
    done = work(grid)
    each = (
        OVERHEAD_SECONDS
        + inputs / READ_BYTES_PER_SECOND
        + done.seconds
        + outputs / WRITE_BYTES_PER_SECOND
    )
    # The part of the input and its copy, the tile and its file.
    held = done.bytes + 2 * inputs + 2 * outputs
    return Choice(grid, each, each * (grid.count / workers + 1 - 1 / workers), held)


def choose(
    grid: Grid,
    chunks: Shape,
    itemsizes: tuple[int, int],
    work: Callable[[Grid], Work],
    *,
    workers: int,
    memory_cap: int,
) -> Choice:
    """Return the size of tiles that is predicted to be done first.

    Parameters
    ----------
    grid : Grid
        Of any tile; its other fields say what is computed.
    chunks : tuple of int
        Of the input; a tile is some of them on each axis, so that few are read twice.
    itemsizes, work, workers
        As in `price`.
    memory_cap : int
        Most bytes that a tile may take.

    Raises
    ------
    TooLarge
        Even a tile of one chunk takes more, or all sizes that do not make too many tiles.
    """
    prices = []
    for tile in sizes(grid, chunks):
        sized = Grid(grid.out, grid.start, grid.kernel, tile)
        if sized.count > MOST_TILES:
            continue
        try:
            found = price(sized, itemsizes, work, workers)
        except TooLarge:
            break
        if found.bytes > memory_cap:
            break
        prices.append(found)
    if not prices:
        raise TooLarge(
            "tiles of every size are too large or too many",
            field="inputs",
            given=f"{grid.out} in chunks of {chunks}, {memory_cap} bytes for a tile",
            accepted=f"at most {MOST_TILES} tiles; smaller chunks, or more memory for a worker",
        )
    return min(prices, key=lambda choice: choice.seconds)


def sizes(grid: Grid, chunks: Shape) -> Iterator[Shape]:
    """Yield sizes of tiles from one chunk to all, each twice the one before.

    Where something is convolved the shortest side grows first: that keeps halos small.

    Examples
    --------
    >>> grid = Grid((8, 8, 3), (0, 0, 0), (3, 3, 1), (1, 1, 1))
    >>> list(sizes(grid, (4, 2, 1)))
    [(4, 2, 1), (4, 4, 1), (8, 4, 1), (8, 8, 1), (8, 8, 2), (8, 8, 4)]
    """
    tile = list(chunks)
    yield tuple(tile)
    while open_axes := [axis for axis, n in enumerate(grid.out) if tile[axis] < n]:
        # Axes that are not convolved have no halo, and grow last.
        axis = min(open_axes, key=lambda axis: (grid.kernel[axis] == 1, tile[axis]))
        tile[axis] *= 2
        yield tuple(tile)
