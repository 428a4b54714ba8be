"""Convolution of each channel by itself: lanes are channels, and every lane has its own weights.

A tile is R rows by V columns of outputs, each a vector, and stays in registers for all taps. A
vector of inputs is multiplied into up to R rows, a vector of weights into V columns::

    out[r, v] += w[i - r, j] * x[i, v + j]      for every row i of inputs that the tile needs
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from core.conv.codegen.channels_sums import cycles
from core.conv.codegen.channels_transpose import integer_at
from core.conv.codegen.emit import Emitter, Kind, Value
from core.conv.codegen.library import Kernel, load
from core.conv.codegen.target import Target, host

PARAMETERS: tuple[Kind, ...] = ("pointer",) * 5 + ("integer",) * 7


@dataclass(frozen=True)
class Tile:
    """What a kernel is specialised for.

    Parameters
    ----------
    dtype : str
        Real dtype of all numbers.
    lanes : int
        Numbers of a vector.
    rows, columns : int
        Output vectors of the tile; a kernel has at least as many rows of taps.
    stride : int
        How many vectors the inputs of neighbouring columns are apart.
    """

    dtype: str
    lanes: int
    rows: int
    columns: int
    stride: int


@lru_cache(maxsize=256)
def kernel(tile: Tile) -> Kernel:
    """Return the compiled kernel for this machine; for its arguments see `source`."""
    return load(partial(source, tile, host()), "depthwise", PARAMETERS)


def source(tile: Tile, target: Target) -> str:
    """Return the IR of a kernel.

    Its arguments; all distances are counted in elements:

    - the addresses of the input, and of the weights, a vector for each tap;
    - a table of one distance per slice of taps (all axes but the last two): in the input;
    - a table of two distances per place of the tile: in the input, and in the output;
    - the address of the output;
    - the numbers of slices, of rows of taps, of taps in a row, and of places;
    - how far it is in the input from one row of taps to the next, and from one tap to the next;
      a row of outputs needs inputs one row of taps farther on than the row before it;
    - how far it is in the output from one row to the next.

    Examples
    --------
    >>> "llvm.fma" in source(Tile("float32", 16, 4, 4, 1), host())
    True
    """
    code = Emitter(target, "depthwise", PARAMETERS)
    x, weights, slices, places, out, *numbers = code.arguments
    depth, height, width, count, x_row, x_step, out_row = numbers
    lanes = tile.lanes
    sums: list[Value] = []

    def input_row(inputs: Value, taps: Value, i: int | Value, rows: Iterable[int]) -> None:
        line = code.at(inputs, tile.dtype, code.index((i, x_row)))
        factors = {
            r: code.at(
                taps, tile.dtype, code.index((code.index((code.index(i, -r), width)), lanes))
            )
            for r in rows
        }
        with code.loop(0, width, carried=sums) as j:
            at = code.at(line, tile.dtype, code.index((j, x_step)))
            vectors = [
                code.load(at, tile.dtype, lanes, v * tile.stride * lanes)
                for v in range(tile.columns)
            ]
            for r, factor in factors.items():
                weight = code.load(factor, tile.dtype, lanes, code.index((j, lanes)))
                for v, vector in enumerate(vectors):
                    at_sum = r * tile.columns + v
                    sums[at_sum] = code.fma(weight, vector, sums[at_sum])

    with code.loop(0, count) as place:
        corner = code.at(x, tile.dtype, integer_at(code, places, code.index((place, 2))))
        target_place = integer_at(code, places, code.index((place, 2), 1))
        sums[:] = [code.constant(0, tile.dtype, lanes)] * (tile.rows * tile.columns)
        with code.loop(0, depth, carried=sums) as d:
            inputs = code.at(corner, tile.dtype, integer_at(code, slices, d))
            first = code.index((code.index((d, height)), width))
            taps = code.at(weights, tile.dtype, code.index((first, lanes)))
            # The first and the last input rows reach some of the tile's rows only.
            for i in range(tile.rows - 1):
                input_row(inputs, taps, i, range(i + 1))
            with code.loop(tile.rows - 1, height, carried=sums) as row:
                input_row(inputs, taps, row, range(tile.rows))
            for i in range(1, tile.rows):
                input_row(inputs, taps, code.index(height, i - 1), range(i, tile.rows))
        for r in range(tile.rows):
            for v in range(tile.columns):
                spot = code.index(target_place, (out_row, r), v * lanes)
                code.store(sums[r * tile.columns + v], out, spot)
    return code.finish()


@lru_cache(maxsize=1024)
def best_tile(
    dtype: str, size: tuple[int, int], rows: int, stride: int, target: Target
) -> tuple[Tile, float]:
    """Return the tile that wastes least, and the share of the peak that it reaches.

    Parameters
    ----------
    dtype : str
        Real dtype.
    size : (int, int)
        Rows and columns of outputs; the last tile of each is moved back.
    rows : int
        Most rows that the tile may have.
    stride : int
        See `Tile`.
    target : Target
        The processor.

    Examples
    --------
    >>> tile, share = best_tile("float32", (56, 56), 7, 1, host())
    >>> tile.rows > 1, share > 0.5
    (True, True)
    """
    lanes = target.lanes(np.dtype(dtype).itemsize)
    found = []
    for r in range(1, min(rows, size[0]) + 1):
        for v in range(1, size[1] + 1):
            # The sums, the inputs of a tap, one vector of weights, and one to spare.
            if r * v + v + 2 > target.registers and (r, v) != (1, 1):
                break
            waste = -(-size[0] // r) * r * -(-size[1] // v) * v / (size[0] * size[1])
            share = r * v / 2 / cycles(r, v) / waste
            found.append((share, v, Tile(dtype, lanes, r, v, stride)))
    share, _, tile = max(found, key=lambda entry: entry[:2])
    return tile, share
