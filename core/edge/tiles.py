"""How a convolution over one image is cut into tiles whose sums stay in registers."""

from __future__ import annotations

from dataclasses import dataclass

# Sums that must be under way at a time, since each takes several clocks and two begin per clock.
_UNDER_WAY = 8
# Wider tiles make the code long, and no faster.
_MOST_PIXELS = 12
_MOST_VECTORS = 8
# Weights of a tile, or places in a row of tiles: turns of a loop, each costing about so many sums.
_TURN = 3.0


@dataclass(frozen=True)
class Tile:
    """Neighbouring pixels of a row, times vectors of output channels.

    Attributes
    ----------
    pixels, vectors : int
        How many; their product is the number of sums.
    """

    pixels: int
    vectors: int


def best_tile(columns: int, outputs: int, lanes: int, registers: int) -> Tile:
    """Return the tile with which a row takes the least time.

    A tile takes as long as its multiply-adds or its loads, whichever are more. The last tile of a
    row overlaps the one before; lanes beyond the last channel compute zeros.

    Parameters
    ----------
    columns, outputs : int
        Pixels of a row of outputs, and their channels.
    lanes, registers : int
        Of the processor.

    Examples
    --------
    >>> best_tile(28, 6, 16, 32), best_tile(1, 120, 16, 32)
    (Tile(pixels=10, vectors=1), Tile(pixels=1, vectors=8))
    """
    total = -(-outputs // lanes)
    choices = [
        Tile(pixels, vectors)
        for vectors in range(1, min(total, _MOST_VECTORS) + 1)
        for pixels in range(1, min(columns, _MOST_PIXELS) + 1)
        if pixels * vectors + vectors + 1 <= registers
    ]

    def clocks(tile: Tile) -> float:
        sums = max(tile.pixels * tile.vectors, tile.pixels + tile.vectors, _UNDER_WAY)
        tiles = -(-total // tile.vectors) * -(-columns // tile.pixels)
        return tiles * (sums + _TURN)

    return min(choices, key=lambda tile: (clocks(tile), tile.pixels * tile.vectors))
