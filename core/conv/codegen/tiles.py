"""Which tile of outputs a kernel keeps in registers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from core.conv.codegen.target import Target

# An unaligned vector lies in two cache lines most of the time: more than one load's work.
_LOAD = 1.5
_MOST_ROWS = 8
_MOST_VECTORS = 8


@dataclass(frozen=True)
class Tile:
    """A tile of ``rows`` by ``vectors`` times ``lanes`` real numbers.

    Examples
    --------
    >>> Tile(rows=4, vectors=4, lanes=16).columns
    64
    """

    rows: int
    vectors: int
    lanes: int

    @property
    def columns(self) -> int:
        """Length of a row, in real numbers."""
        return self.vectors * self.lanes


@lru_cache(maxsize=4096)
def choose(target: Target, itemsize: int, parts: int, height: int, rows: int, columns: int) -> Tile:
    """Return the tile that takes the fewest cycles for a plane of outputs.

    Parameters
    ----------
    target : Target
        Its registers bound the tile.
    itemsize : int
        Bytes of a real number.
    parts : int
        2 where numbers are complex, else 1.
    height : int
        Rows of the convolution kernel.
    rows, columns : int
        The plane of outputs; ``columns`` in real numbers. The tile fits into it.

    Examples
    --------
    >>> from core.conv.codegen.target import named
    >>> choose(named("x86-64-v4"), 4, 1, 9, 512, 2048)
    Tile(rows=4, vectors=4, lanes=16)
    >>> choose(named("x86-64-v4"), 4, 1, 1, 1, 5)
    Tile(rows=1, vectors=1, lanes=4)
    """
    lanes = target.lanes(itemsize)
    found = []
    while lanes >= parts:
        for vectors in range(1, min(_MOST_VECTORS, columns // lanes) + 1):
            # Half of the registers hold sums, the others inputs and weights.
            most = max(1, target.registers // (2 * parts * vectors))
            for r in range(1, min(most, _MOST_ROWS, rows) + 1):
                tile = Tile(r, vectors, lanes)
                found.append((cycles(tile, parts, height, rows, columns), tile))
        lanes //= 2
    return min(found, key=lambda pair: pair[0])[1]


def cycles(tile: Tile, parts: int, height: int, rows: int, columns: int) -> float:
    """Estimate the half cycles for one column of taps over a plane of outputs.

    Two multiply-adds or two loads are taken to begin per cycle, beside the loop's own work.
    """
    tiles = math.ceil(rows / tile.rows) * math.ceil(columns / tile.columns)
    total = 0.0
    for i in range(tile.rows + height - 1):
        reached = min(i + 1, height, tile.rows, tile.rows + height - 1 - i)
        products = parts * reached * tile.vectors
        loads = _LOAD * tile.vectors + parts * reached
        total += max(products, loads) + 1
    return tiles * total
