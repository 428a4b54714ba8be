"""Direct convolution of one channel: a tile of outputs stays in registers for all taps.

A tile is R rows by V vectors. An input vector is loaded once and multiplied into up to R rows,
each with its own weight in all lanes::

    out[r, c : c + lanes] += w[i - r, j] * x[i, c + j : c + j + lanes]    for every input row i

The kernel correlates; who wants to convolve reverses the weights. The loops over taps are rolled,
so that one compiled kernel serves convolution kernels of all sizes: a tap is R times V
multiply-adds, beside which the loop costs nothing, and in a long straight stretch LLVM would keep
more weights in registers than there are. The last tile of a row, and of a column of tiles, is
moved back to where it is full, and some outputs are computed twice.

A complex product is two real ones: the weight's real and imaginary part each multiply the pairs
as they lie in memory, into sums of their own, which are combined once at the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache, partial

import numpy as np

from core.conv.codegen.emit import Emitter, Integer, Kind, Value
from core.conv.codegen.library import Kernel, load
from core.conv.codegen.target import Target, host
from core.conv.codegen.tiles import Tile, choose

PARAMETERS: tuple[Kind, ...] = ("pointer",) * 3 + ("integer",) * 12


@dataclass(frozen=True)
class Spec:
    """What a kernel is specialised for.

    Parameters
    ----------
    storage : str
        Real dtype of the input in memory.
    dtype : str
        Real dtype of weights, sums and output: float32, float64 or int64.
    pairs : bool
        Whether all numbers are complex, as pairs of real and imaginary part.
    tile : Tile
        The outputs that are computed at a time.
    height : int or None
        Rows of the convolution kernel where they are fewer than the tile's; otherwise ``None``.
    """

    storage: str
    dtype: str
    pairs: bool
    tile: Tile
    height: int | None


@lru_cache(maxsize=4096)
def specialise(
    target: Target,
    storage: str,
    dtype: str,
    *,
    pairs: bool,
    height: int,
    rows: int,
    columns: int,
) -> Spec:
    """Return the fastest kernel for ``rows`` by ``columns`` real outputs.

    Examples
    --------
    >>> specialise(host(), "uint8", "float32", pairs=False, height=3, rows=4, columns=3).height
    3
    """
    itemsize = np.dtype(dtype).itemsize
    tile = choose(target, itemsize, 2 if pairs else 1, height, rows, columns)
    return Spec(storage, dtype, pairs, tile, height if height < tile.rows else None)


@cache
def kernel(spec: Spec) -> Kernel:
    """Return the compiled kernel for this machine; for its arguments see `source`."""
    return load(partial(source, spec, host()), "direct", PARAMETERS)


def source(spec: Spec, target: Target) -> str:
    """Return the IR of a kernel.

    Its arguments, in this order; distances are counted in real numbers:

    - addresses of the input, the output and the contiguous weights;
    - depth, height and width of the kernel;
    - in the input, how far it is from one tap to the next along depth, rows and columns;
    - number of output planes, and how far it is from one to the next in input and output;
    - number of rows of a plane (at least a tile's), and how far it is in the output;
    - number of real numbers in a row (at least a tile's).

    Examples
    --------
    >>> spec = Spec("float32", "float32", False, Tile(4, 4, 16), height=3)
    >>> "llvm.fma" in source(spec, host())
    True
    """
    code = Emitter(target, "direct", PARAMETERS)
    x, out, weights, depth, height, width, *rest = code.arguments
    x_depth, x_row, x_step, planes, x_plane, out_plane, rows, out_row, columns = rest
    with code.loop(0, planes) as index:
        plane(
            code,
            spec,
            code.at(x, spec.storage, code.index((index, x_plane))),
            code.at(out, spec.dtype, code.index((index, out_plane))),
            weights,
            taps=(depth, height, width),
            steps=(x_depth, x_row, x_step),
            rows=rows,
            out_row=out_row,
            columns=columns,
        )
    return code.finish()


def plane(
    code: Emitter,
    spec: Spec,
    x: Value,
    out: Value,
    weights: Value,
    *,
    taps: tuple[Integer, Integer, Integer],
    steps: tuple[Integer, Integer, Integer],
    rows: Integer,
    out_row: Integer,
    columns: Integer,
) -> None:
    """Write the code for one plane of outputs; the arguments are those of `source`."""
    tile = _Tile(code, spec, weights, taps, steps)
    span = spec.tile.columns
    with code.loop(0, rows, spec.tile.rows) as unclipped_row:
        row = code.minimum(unclipped_row, code.index(rows, -spec.tile.rows))
        source_row = code.index((row, steps[1]))
        target_row = code.index((row, out_row))
        with code.loop(0, columns, span) as unclipped_column:
            column = code.minimum(unclipped_column, code.index(columns, -span))
            sums = tile.compute(code.at(x, spec.storage, code.index(source_row, column)))
            corner = code.at(out, spec.dtype, code.index(target_row, column))
            for (r, v), vector in sums.items():
                code.store(vector, corner, code.index((out_row, r), v * spec.tile.lanes))


class _Tile:
    """The sums of one tile."""

    def __init__(
        self,
        code: Emitter,
        spec: Spec,
        weights: Value,
        taps: tuple[Integer, Integer, Integer],
        steps: tuple[Integer, Integer, Integer],
    ) -> None:
        self.code, self.spec, self.weights = code, spec, weights
        self.depth, self.height, self.width = taps
        self.x_depth, self.x_row, self.x_step = steps
        self.parts = 2 if spec.pairs else 1

    def compute(self, x: Value) -> dict[tuple[int, int], Value]:
        """Return the vectors of the tile whose first input is at ``x``, by row and place."""
        code, spec = self.code, self.spec
        zero = code.constant(0, spec.dtype, spec.tile.lanes)
        self.sums = [zero] * (self.parts * spec.tile.rows * spec.tile.vectors)
        with code.loop(0, self.depth, carried=self.sums) as d:
            plane = code.at(x, spec.storage, code.index((d, self.x_depth)))
            first = code.index((d, code.index((self.height, self.width))))
            weights = code.at(self.weights, spec.dtype, code.index((first, self.parts)))
            if spec.height is None:
                self._any_height(plane, weights)
            else:
                self._low(plane, weights, spec.height)
        return {
            (r, v): self._combined(r, v)
            for r in range(spec.tile.rows)
            for v in range(spec.tile.vectors)
        }

    def _low(self, x: Value, weights: Value, height: int) -> None:
        rows = range(self.spec.tile.rows)
        for i in range(len(rows) + height - 1):
            self._input_row(x, weights, i, [r for r in rows if 0 <= i - r < height])

    def _any_height(self, x: Value, weights: Value) -> None:
        # The first and the last input rows reach some of the tile's rows only.
        code, rows = self.code, self.spec.tile.rows
        for i in range(rows - 1):
            self._input_row(x, weights, i, range(i + 1))
        with code.loop(rows - 1, self.height, carried=self.sums) as i:
            self._input_row(x, weights, i, range(rows))
        for i in range(1, rows):
            self._input_row(x, weights, code.index(self.height, i - 1), range(i, rows))

    def _input_row(self, x: Value, weights: Value, i: Integer, rows: Iterable[int]) -> None:
        code = self.code
        lines = {r: self._weight(weights, code.index(i, -r), 0) for r in rows}
        with code.loop(0, self.width, carried=self.sums) as j:
            self._tap(x, i, j, {r: self._weight(line, 0, j) for r, line in lines.items()})

    def _weight(self, weights: Value, i: Integer, j: Integer) -> Value:
        code = self.code
        offset = code.index((code.index((i, self.width), j), self.parts))
        return code.at(weights, self.spec.dtype, offset)

    def _tap(self, x: Value, i: Integer, j: Integer, weights: dict[int, Value]) -> None:
        # One input position of every vector, into the rows that have a weight for it.
        code, spec = self.code, self.spec
        place = code.at(x, spec.storage, code.index((i, self.x_row), (j, self.x_step)))
        lanes = spec.tile.lanes
        inputs = [
            code.load(place, spec.storage, lanes, v * lanes, as_dtype=spec.dtype)
            for v in range(spec.tile.vectors)
        ]
        for r, weight in weights.items():
            for part in range(self.parts):
                factor = code.broadcast(weight, spec.dtype, lanes, part)
                for v, vector in enumerate(inputs):
                    at = self._place(part, r, v)
                    self.sums[at] = code.fma(factor, vector, self.sums[at])

    def _place(self, part: int, row: int, vector: int) -> int:
        return (part * self.spec.tile.rows + row) * self.spec.tile.vectors + vector

    def _combined(self, row: int, vector: int) -> Value:
        # (a + bi)(c + di): from (ac, bc) and (ad, bd) to (ac - bd, bc + ad).
        real = self.sums[self._place(0, row, vector)]
        if not self.spec.pairs:
            return real
        code, lanes = self.code, self.spec.tile.lanes
        imaginary = self.sums[self._place(1, row, vector)]
        crossed = [lane + 1 if lane % 2 == 0 else lanes + lane - 1 for lane in range(lanes)]
        return code.add(real, code.shuffle(code.neg(imaginary), imaginary, crossed))
