"""The transforms of Winograd's convolution, tile by tile, in lanes.

A tile of 6 by 6 inputs becomes 36 numbers to multiply, 36 products become a tile of outputs. Both
are a small matrix, applied along columns and then along rows; between the two the tile lies in
the first cache. The points of `core.conv.cook_toom` come in pairs of opposite sign, whose even and
odd parts are computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial

import numpy as np
from llvmlite import ir

from core.conv.codegen.channels_transpose import integer_at
from core.conv.codegen.emit import Emitter, Kind, Value
from core.conv.codegen.library import Kernel, load
from core.conv.codegen.target import Target, host
from core.conv.cook_toom import POINTS, Matrix, cook_toom

SIDE = len(POINTS) + 1
PARAMETERS: tuple[Kind, ...] = ("pointer",) * 4 + ("integer",) * 6
WEIGHTS_PARAMETERS: tuple[Kind, ...] = ("pointer",) * 3 + ("integer",) * 2
# Points of opposite sign, by their numbers.
_PAIRS = ((1, 2), (3, 4))


@lru_cache(maxsize=16)
def input_kernel(dtype: str) -> Kernel:
    """Return the compiled `input_source` for this machine."""
    return load(partial(input_source, dtype, host()), "inputs", PARAMETERS)


@lru_cache(maxsize=16)
def output_kernel(dtype: str, taps: int) -> Kernel:
    """Return the compiled `output_source` for this machine."""
    return load(partial(output_source, dtype, taps, host()), "outputs", PARAMETERS)


@lru_cache(maxsize=16)
def weights_kernel(dtype: str, taps: int) -> Kernel:
    """Return the compiled `weights_source` for this machine."""
    return load(partial(weights_source, dtype, taps, host()), "weights", WEIGHTS_PARAMETERS)


def input_source(dtype: str, target: Target) -> str:
    """Return the IR of the kernel that transforms inputs.

    Its arguments; all distances are counted in elements:

    - the address of the input, and the constants of `constants`;
    - a table of one distance per tile, in the input;
    - the address of the result, ``(product, channel, tile, lane)``;
    - the numbers of channels and tiles;
    - how far it is in the input from one channel to the next, and from one row to the next; and
      in the result from one product to the next, and from one channel to the next.

    Examples
    --------
    >>> "define void" in input_source("float32", host())
    True
    """
    code = Emitter(target, "inputs", PARAMETERS)
    x, numbers, tiles, out, *rest = code.arguments
    channels, count, x_channel, x_row, product, channel = rest
    transform = Transform(code, dtype, numbers)
    # The matrix is the same for every number of taps.
    matrix = cook_toom(3).inputs
    with code.loop(0, channels) as c, code.loop(0, count) as t:
        corner = code.at(x, dtype, code.index((c, x_channel), integer_at(code, tiles, t)))
        place = code.at(out, dtype, code.index((c, channel), (t, transform.lanes)))
        with code.loop(0, SIDE) as j:
            column = [
                transform.load(corner, code.index((x_row, i), (j, transform.lanes)))
                for i in range(SIDE)
            ]
            transform.keep(transform.by_rows(matrix, column), j)
        with code.loop(0, SIDE) as i:
            row = transform.kept(i)
            for j, value in enumerate(transform.by_rows(matrix, row)):
                number = code.index((i, SIDE), j)
                code.store(value, place, code.index((number, product)))
    return code.finish()


def output_source(dtype: str, taps: int, target: Target) -> str:
    """Return the IR of the kernel that transforms products to outputs.

    Its arguments; all distances are counted in elements:

    - the address of the products, ``(product, channel, tile, lane)``; the constants;
    - a table of one distance per tile, in the output;
    - the address of the output;
    - the numbers of channels and tiles;
    - how far it is in the output from one channel to the next, and from one row to the next; and
      in the products from one product to the next, and from one channel to the next.

    Examples
    --------
    >>> "define void" in output_source("float32", 3, host())
    True
    """
    code = Emitter(target, "outputs", PARAMETERS)
    products, numbers, tiles, out, *rest = code.arguments
    channels, count, out_channel, out_row, product, channel = rest
    transform = Transform(code, dtype, numbers)
    matrix = cook_toom(taps).outputs
    with code.loop(0, channels) as o, code.loop(0, count) as t:
        place = code.at(products, dtype, code.index((o, channel), (t, transform.lanes)))
        corner = code.at(out, dtype, code.index((o, out_channel), integer_at(code, tiles, t)))
        with code.loop(0, SIDE) as j:
            column = [
                transform.load(place, code.index((code.index((i, SIDE), j), product)))
                for i in range(SIDE)
            ]
            transform.keep(transform.by_columns(matrix, column), j)
        with code.loop(0, len(matrix)) as i:
            row = transform.kept(i)
            for j, value in enumerate(transform.by_columns(matrix, row)):
                code.store(value, corner, code.index((i, out_row), j * transform.lanes))
    return code.finish()


def weights_source(dtype: str, taps: int, target: Target) -> str:
    """Return the IR of the kernel that transforms weights.

    Its arguments; all distances are counted in elements:

    - the address of the weights, ``(kernel, row of taps, tap, lane)``; the constants;
    - the address of the result, ``(product, kernel, lane)``;
    - the number of kernels, and how far it is from one product to the next.

    Examples
    --------
    >>> "define void" in weights_source("float32", 5, host())
    True
    """
    code = Emitter(target, "weights", WEIGHTS_PARAMETERS)
    weights, numbers, out, kernels, product = code.arguments
    transform = Transform(code, dtype, numbers)
    matrix, lanes = cook_toom(taps).taps, transform.lanes
    with code.loop(0, kernels) as k:
        first = code.at(weights, dtype, code.index((k, taps * taps * lanes)))
        place = code.at(out, dtype, code.index((k, lanes)))
        with code.loop(0, taps) as j:
            column = [
                transform.load(first, code.index((j, lanes), i * taps * lanes)) for i in range(taps)
            ]
            transform.keep(transform.by_rows(matrix, column), j)
        with code.loop(0, SIDE) as i:
            row = transform.kept(i)[:taps]
            for j, value in enumerate(transform.by_rows(matrix, row)):
                number = code.index((i, SIDE), j)
                code.store(value, place, code.index((number, product)))
    return code.finish()


@lru_cache(maxsize=4)
def constants(dtype: str) -> Matrix:
    """Return the table of constants that the kernels take."""
    return np.array(_NUMBERS, dtype)


def _magnitudes() -> list[float]:
    matrices = [m for r in (3, 5) for m in vars(cook_toom(r)).values()]
    found = {abs(float(entry)) for matrix in matrices for entry in matrix.ravel()}
    return sorted(found - {0.0, 1.0})


_NUMBERS = _magnitudes()


class Transform:
    """Writes one application of a matrix, and keeps a tile between two of them."""

    def __init__(self, code: Emitter, dtype: str, numbers: Value) -> None:
        self.code, self.dtype = code, dtype
        self.lanes = code.target.lanes(np.dtype(dtype).itemsize)
        self._numbers = {
            number: code.broadcast(numbers, dtype, self.lanes, i)
            for i, number in enumerate(_NUMBERS)
        }
        vector = ir.VectorType(self._numbers[_NUMBERS[0]].type.element, self.lanes)
        self._tile = code.builder.alloca(vector, size=SIDE * SIDE)

    def load(self, pointer: Value, offset: Value) -> Value:
        """Return the vector at an offset."""
        return self.code.load(pointer, self.dtype, self.lanes, offset)

    def keep(self, column: Sequence[Value], j: Value) -> None:
        """Store a column of the tile."""
        for i, value in enumerate(column):
            self.code.store(value, self._tile, self.code.index((j, self.lanes), i * self._row))

    def kept(self, i: Value) -> list[Value]:
        """Return a row of the tile."""
        code = self.code
        return [
            self.load(self._tile, code.index((i, self._row), j * self.lanes)) for j in range(SIDE)
        ]

    @property
    def _row(self) -> int:
        return SIDE * self.lanes

    def by_rows(self, matrix: Matrix, vectors: Sequence[Value]) -> list[Value]:
        """Apply a matrix whose pairs of rows differ only in the sign of every other entry."""
        result: dict[int, Value] = {}
        for a, b in _PAIRS:
            even = self._sum(
                [(c, v) for c, d, v in zip(matrix[a], matrix[b], vectors, strict=True) if c == d]
            )
            odd = self._sum(
                [(c, v) for c, d, v in zip(matrix[a], matrix[b], vectors, strict=True) if c != d]
            )
            result[a], result[b] = self.code.add(even, odd), self.code.sub(even, odd)
        for i in set(range(len(matrix))) - set(result):
            result[i] = self._sum(list(zip(matrix[i], vectors, strict=True)))
        return [result[i] for i in range(len(matrix))]

    def by_columns(self, matrix: Matrix, vectors: Sequence[Value]) -> list[Value]:
        """Apply a matrix whose pairs of columns differ only in the sign of every other entry."""
        code = self.code
        sums = {a: code.add(vectors[a], vectors[b]) for a, b in _PAIRS}
        differences = {a: code.sub(vectors[a], vectors[b]) for a, b in _PAIRS}
        single = sorted(set(range(SIDE)) - {i for pair in _PAIRS for i in pair})
        result = []
        for i, row in enumerate(matrix):
            paired = sums if i % 2 == 0 else differences
            terms = [(row[j], vectors[j]) for j in single] + [(row[j], paired[j]) for j in paired]
            result.append(self._sum(terms))
        return result

    def _sum(self, terms: list[tuple[float, Value]]) -> Value:
        # Ones first: they need no product.
        present = sorted((t for t in terms if t[0] != 0), key=lambda t: abs(t[0]) != 1)
        total = None
        for factor, vector in present:
            total = self._plus(total, float(factor), vector)
        return total

    def _plus(self, total: Value | None, factor: float, vector: Value) -> Value:
        code = self.code
        if abs(factor) == 1:
            if total is None:
                return vector if factor > 0 else code.neg(vector)
            return code.add(total, vector) if factor > 0 else code.sub(total, vector)
        number = self._numbers[abs(factor)]
        if total is None:
            product = code.mul(number, vector)
            return product if factor > 0 else code.neg(product)
        return code.fma(number, vector if factor > 0 else code.neg(vector), total)
