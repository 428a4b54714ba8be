"""A result cut into tiles, and what of the input each tile needs: its halo."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

Shape = tuple[int, ...]
Ranges = tuple[tuple[int, int], ...]
"""First and one past the last, on each axis."""


@dataclass(frozen=True)
class Grid:
    """Tiles of the result of a convolution; all but the last of an axis have the same size.

    Parameters
    ----------
    out : tuple of int
        Shape of the result, by the axes of the input.
    start, kernel : tuple of int
        By the same axes: where the result begins within the full convolution, and how long the
        kernel is; 0 and 1 where nothing is convolved.
    tile : tuple of int
        Shape of a tile.

    Examples
    --------
    >>> grid = Grid(out=(10,), start=(1,), kernel=(3,), tile=(4,))
    >>> [(grid.outputs(place), grid.inputs(place)) for place in grid.places()]
    [(((0, 4),), ((-1, 5),)), (((4, 8),), ((3, 9),)), (((8, 10),), ((7, 11),))]
    """

    out: Shape
    start: Shape
    kernel: Shape
    tile: Shape

    @property
    def counts(self) -> Shape:
        """Number of tiles on each axis."""
        return tuple(-(-n // t) for n, t in zip(self.out, self.tile, strict=True))

    @property
    def count(self) -> int:
        """Number of tiles."""
        return math.prod(self.counts)

    @property
    def largest(self) -> Shape:
        """Shape of the part of the input that no tile needs more of."""
        return tuple(
            min(t, n) + k - 1 for t, n, k in zip(self.tile, self.out, self.kernel, strict=True)
        )

    def places(self) -> Iterator[Shape]:
        """Yield the place of each tile among the others, last axis first."""
        return itertools.product(*map(range, self.counts))

    def outputs(self, place: Shape) -> Ranges:
        """Return the part of the result that a tile is."""
        return tuple(
            (at * t, min((at + 1) * t, n))
            for at, t, n in zip(place, self.tile, self.out, strict=True)
        )

    def inputs(self, place: Shape) -> Ranges:
        """Return the part of the input that a tile needs; it may begin before 0 or end outside."""
        return tuple(
            (first + s - (k - 1), last + s)
            for (first, last), s, k in zip(
                self.outputs(place), self.start, self.kernel, strict=True
            )
        )
