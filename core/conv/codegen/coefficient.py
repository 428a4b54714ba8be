"""From sums of products to correlation coefficients: each is divided by the deviation below it.

For each row of outputs the sums of values and of squares over the template's height run on down
the columns: one row comes in, one goes out, and they begin anew every few rows, so that roundings
do not add up. Along the row sums of 4, 16, 64... neighbours come from each other, and the width is
put together from them as from its digits to the base 4. So nothing is subtracted but the row that
goes out and, in the end, the square of the mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache, partial, reduce
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from core.conv.blocks import Check, cores, for_each
from core.conv.codegen.emit import Emitter, Integer, Kind, Value
from core.conv.codegen.library import Kernel, load
from core.conv.codegen.memory import address, scratch
from core.conv.codegen.target import Target, host

PARAMETERS: tuple[Kind, ...] = ("pointer",) * 4 + ("integer",) * 8
DTYPES = ("float32", "float64")
"""What images are read as."""

_DTYPE, _ITEM = "float64", 8
# Rows and columns of outputs that one call takes: the sums begin anew, and the lines of a row stay
# in the cache.
_ROWS, _COLUMNS = 128, 512
_BASE = 4
# Where the centres stand among the numbers.
_CENTRES = 4

_Pair: TypeAlias = "tuple[Value, Value]"


def divide(
    fits: NDArray[np.float64],
    x: NDArray[np.floating],
    centres: Sequence[float],
    size: tuple[int, int],
    power: float,
    floor: float,
    check: Check,
) -> None:
    """Make sums of products correlation coefficients, in place.

    Parameters
    ----------
    fits : array of float64, shape (H - h + 1, W - w + 1)
        The sums of the products of image and template, all channels together; contiguous.
    x : array of `DTYPES`, shape (C, H, W)
        The image; contiguous.
    centres : sequence of C floats
        What is taken away of each channel. The nearer values are to it, the smaller the roundings.
    size : tuple of int
        The template's, (h, w).
    power : float
        The sum of the squares of the template without its means.
    floor : float
        Where that of the window below is no larger, the coefficient is 0.
    check : callable
        Called between blocks; it raises to stop the work.

    Examples
    --------
    >>> from core.conv.blocks import never
    >>> fits = np.array([[3.0, 0.0]])
    >>> divide(fits, np.array([[[1.0, 4.0, 4.0]]]), [3.0], (1, 2), 2.0, 1e-9, never)
    >>> fits
    array([[1., 0.]])
    """
    (rows, columns), (height, width) = fits.shape, size
    step = max(_COLUMNS, width)
    function = kernel(width, x.dtype.name)
    line = min(step, columns) + width + host().lanes(_ITEM)
    needed = _ITEM * line * (1 + 2 * (_levels(width) - 1 + len(x)))
    numbers = np.array([1 / math.prod(size), power, floor, 1.0, *centres])

    def compute(at: tuple[int, int]) -> None:
        top, left = at
        function(
            address(fits) + top * fits.strides[0] + left * _ITEM,
            address(x) + top * x.strides[1] + left * x.itemsize,
            scratch(needed),
            address(numbers),
            min(_ROWS, rows - top),
            min(step, columns - left),
            height,
            len(x),
            fits.strides[0] // _ITEM,
            x.strides[0] // x.itemsize,
            x.strides[1] // x.itemsize,
            line,
        )

    places = [(top, left) for top in range(0, rows, _ROWS) for left in range(0, columns, step)]
    for_each(compute, places, check, cores())


@lru_cache(maxsize=256)
def kernel(width: int, dtype: str) -> Kernel:
    """Return the compiled kernel for this machine; for its arguments see `source`."""
    return load(partial(source, width, dtype, host()), "coefficient", PARAMETERS)


def source(width: int, dtype: str, target: Target) -> str:
    """Return the IR of a kernel for templates that are ``width`` wide and images of ``dtype``.

    Its arguments:

    - addresses of the sums of products, of the image, of a scratch and of the numbers: one over
      the template's size, power and floor as for `divide`, 1, and the centres;
    - how many rows and columns of outputs, the template's height, and the number of channels;
    - how far it is from row to row of the outputs, from channel to channel and from row to row of
      the image;
    - how far it is from line to line of the scratch. It holds a line of energies, two for each
      power of 4 up to the width, and two for each channel.

    Examples
    --------
    >>> "llvm.sqrt" in source(48, "float32", host())
    True
    """
    code = Emitter(target, "coefficient", PARAMETERS)
    fits, x, memory, numbers, rows, columns, height, channels, out_row, plane, x_row, line = (
        code.arguments
    )
    lines = _Lines(code, target, width, columns, dtype)
    first_own = 1 + 2 * (_levels(width) - 1)

    def of_line(which: Integer) -> Value:
        return code.at(memory, _DTYPE, code.index((which, line)))

    def sums_of(channel: Value) -> tuple[Value, Value]:
        first = code.index(first_own, (channel, 2))
        return of_line(first), of_line(code.index(first, 1))

    def centre_of(channel: Value) -> Value:
        return code.at(numbers, _DTYPE, code.index(_CENTRES, channel))

    energies = of_line(0)
    powers = [(of_line(first), of_line(first + 1)) for first in range(1, first_own, 2)]
    with code.loop(0, channels) as channel:
        top = code.at(x, dtype, code.index((channel, plane)))
        lines.begin(top, centre_of(channel), x_row, height, sums_of(channel))
    with code.loop(0, rows) as row:
        lines.clear(energies)
        goes_on = code.builder.icmp_signed("<", code.index(row, 1), rows)
        with code.loop(0, channels) as channel:
            sums = sums_of(channel)
            lines.add_energies(energies, [sums, *powers], numbers)
            out = code.at(x, dtype, code.index((channel, plane), (row, x_row)))
            lines.move(out, centre_of(channel), code.index((height, x_row)), sums, goes_on)
        lines.divide(code.at(fits, _DTYPE, code.index((row, out_row))), energies, numbers)
    return code.finish()


class _Lines:
    """What is done with the lines of one row.

    Beyond their ends lines of the scratch hold anything; that reaches no output.
    """

    def __init__(
        self, code: Emitter, target: Target, width: int, columns: Value, dtype: str
    ) -> None:
        self.code, self.width, self.columns, self.dtype = code, width, columns, dtype
        self.lanes = target.lanes(_ITEM)
        self.span = code.index(columns, width - 1)

    def begin(self, x: Value, centre: Value, x_row: Value, height: Value, lines: _Pair) -> None:
        """Sum values and squares of the first ``height`` rows."""
        code = self.code
        for loop, lanes in self._exactly(self.span):
            less = code.broadcast(centre, _DTYPE, lanes)
            with loop as at:
                pair = [code.constant(0, _DTYPE, lanes)] * 2
                with code.loop(0, height, carried=pair) as row:
                    value = code.sub(self._value(x, lanes, code.index((row, x_row), at)), less)
                    pair[:] = code.add(pair[0], value), code.fma(value, value, pair[1])
                self._store(pair, lines, at)

    def move(self, x: Value, centre: Value, below: Value, lines: _Pair, goes_on: Value) -> None:
        """Let the row at ``x`` go, and take the one that lies ``below``, if there is another."""
        code = self.code
        for loop, lanes in self._exactly(code.builder.select(goes_on, self.span, code.integer(0))):
            less = code.broadcast(centre, _DTYPE, lanes)
            with loop as at:
                sums, squares = self._load(lines, at, lanes)
                gone = code.sub(self._value(x, lanes, at), less)
                come = code.sub(self._value(x, lanes, code.index(below, at)), less)
                sums = code.add(sums, code.sub(come, gone))
                squares = code.fma(come, come, code.fma(code.neg(gone), gone, squares))
                self._store((sums, squares), lines, at)

    def clear(self, energies: Value) -> None:
        """Begin a row of outputs."""
        with self.code.loop(0, self.columns, self.lanes) as at:
            self.code.store(self.code.constant(0, _DTYPE, self.lanes), energies, at)

    def add_energies(self, energies: Value, powers: Sequence[_Pair], numbers: Value) -> None:
        """Add what the squares of the windows come to without the mean of their values."""
        code = self.code
        for level, (less, more) in enumerate(pairwise(powers)):
            size = _BASE**level
            with code.loop(0, code.index(self.span, 1 - _BASE * size), self.lanes) as at:
                parts = [
                    self._load(less, code.index(at, part * size), self.lanes)
                    for part in range(_BASE)
                ]
                self._store(_added(code, parts), more, at)
        share = code.broadcast(numbers, _DTYPE, self.lanes, 0)
        with code.loop(0, self.columns, self.lanes) as at:
            parts = [
                self._load(powers[level], code.index(at, offset), self.lanes)
                for level, offset in _digits(self.width)
            ]
            sums, squares = _added(code, parts)
            mean = code.mul(sums, share)
            energy = code.fma(code.neg(sums), mean, squares)
            code.store(code.add(code.load(energies, _DTYPE, self.lanes, at), energy), energies, at)

    def divide(self, fits: Value, energies: Value, numbers: Value) -> None:
        """Divide a row of sums of products by the deviations, and keep it between -1 and 1."""
        code, builder = self.code, self.code.builder
        for loop, lanes in self._exactly(self.columns):
            with loop as at:
                power, floor, one = (
                    code.broadcast(numbers, _DTYPE, lanes, which) for which in (1, 2, 3)
                )
                energy = code.load(energies, _DTYPE, lanes, at)
                varies = builder.fcmp_ordered(">", energy, floor)
                product = code.mul(builder.select(varies, energy, one), power)
                score = builder.fdiv(
                    code.load(fits, _DTYPE, lanes, at), _square_root(code, product)
                )
                for bound, relation in ((one, "<"), (code.neg(one), ">")):
                    inside = builder.fcmp_ordered(relation, score, bound)
                    score = builder.select(inside, score, bound)
                nothing = code.constant(0, _DTYPE, lanes)
                code.store(builder.select(varies, score, nothing), fits, at)

    def _exactly(self, length: Value) -> Iterator[tuple[AbstractContextManager[Value], int]]:
        whole = self.code.builder.and_(length, self.code.integer(-self.lanes))
        yield self.code.loop(0, whole, self.lanes), self.lanes
        yield self.code.loop(whole, length), 1

    def _value(self, x: Value, lanes: int, at: Value) -> Value:
        return self.code.load(x, self.dtype, lanes, at, as_dtype=_DTYPE)

    def _load(self, lines: _Pair, at: Value, lanes: int) -> _Pair:
        sums, squares = (self.code.load(line, _DTYPE, lanes, at) for line in lines)
        return sums, squares

    def _store(self, pair: Sequence[Value], lines: _Pair, at: Value) -> None:
        for vector, line in zip(pair, lines, strict=True):
            self.code.store(vector, line, at)


def _digits(width: int) -> list[tuple[int, int]]:
    """Return which powers of the base make up ``width``, and where each begins.

    Examples
    --------
    >>> _digits(9)
    [(1, 0), (1, 4), (0, 8)]
    """
    found, done = [], 0
    for level in reversed(range(_levels(width))):
        size = _BASE**level
        while width - done >= size:
            found.append((level, done))
            done += size
    return found


def _levels(width: int) -> int:
    level = 1
    while _BASE**level <= width:
        level += 1
    return level


def _added(code: Emitter, pairs: Sequence[_Pair]) -> _Pair:
    sums, squares = (reduce(code.add, vectors) for vectors in zip(*pairs, strict=True))
    return sums, squares


def _square_root(code: Emitter, value: Value) -> Value:
    name = f"llvm.sqrt.v{value.type.count}f64"
    kind = ir.FunctionType(value.type, [value.type])
    module = code.builder.module
    return code.builder.call(module.globals.get(name) or ir.Function(module, kind, name), [value])
