"""Complex vectors, and butterflies of them: the arithmetic of the generated transforms.

Real and imaginary parts lie in registers of their own, so that a butterfly needs no shuffles.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from core.conv.codegen.emit import Emitter, Value

Complex: TypeAlias = tuple[Value, Value]
"""The real and the imaginary parts of as many complex numbers as a register has lanes."""


class Vectors:
    """What every part of a transform needs: the emitter, the vectors' form, and constants.

    Constants lie in one table, which the kernel takes by pointer; they are collected while the
    kernel is written.

    Parameters
    ----------
    code : Emitter
        Writes the kernel.
    dtype : {"float32", "float64"}
        Of the parts.
    table : Value
        The kernel's argument that will point to `constants`.

    Examples
    --------
    >>> from core.conv.codegen.target import host
    >>> code = Emitter(host(), "square", ("pointer", "pointer"))
    >>> vectors = Vectors(code, "float32", code.arguments[1])
    >>> number = vectors.load(code.arguments[0], 0)
    >>> vectors.store(vectors.times(number, number), code.arguments[0], 0)
    >>> "define void" in code.finish()
    True
    """

    def __init__(self, code: Emitter, dtype: str, table: Value) -> None:
        self.code = code
        self.dtype = dtype
        self.lanes = code.target.lanes(np.dtype(dtype).itemsize)
        self._table = table
        self._constants: list[float] = []

    @property
    def constants(self) -> np.ndarray[tuple[int], np.dtype[np.floating]]:
        """The table that the kernel must be given."""
        return np.array(self._constants, self.dtype)

    def tabulate(self, numbers: Sequence[float]) -> int:
        """Add ``numbers`` to the table and return the index of the first."""
        self._constants += numbers
        return len(self._constants) - len(numbers)

    def constant(self, value: float) -> Value:
        """Return a vector of one constant, from the table."""
        if value not in self._constants:
            self.tabulate([value])
        return self.code.broadcast(
            self._table, self.dtype, self.lanes, self._constants.index(value)
        )

    def tabulated(self, index: int | Value) -> Value:
        """Return consecutive constants of the table as a vector."""
        return self.code.load(self._table, self.dtype, self.lanes, index)

    def tabulated_complex(self, index: int | Value, *, splat: bool) -> Complex:
        """Return one complex number of the table in all lanes, or one for each lane."""
        if splat:
            one = self.code.index(index, 1)
            return (
                self.code.broadcast(self._table, self.dtype, self.lanes, index),
                self.code.broadcast(self._table, self.dtype, self.lanes, one),
            )
        return self.tabulated(index), self.tabulated(self.code.index(index, self.lanes))

    def load(self, pointer: Value, offset: int | Value) -> Complex:
        """Load a vector of real parts and the vector of imaginary parts behind it."""
        behind = self.code.index(offset, self.lanes)
        return (
            self.code.load(pointer, self.dtype, self.lanes, offset),
            self.code.load(pointer, self.dtype, self.lanes, behind),
        )

    def store(self, value: Complex, pointer: Value, offset: int | Value) -> None:
        """Store what `load` loads."""
        self.code.store(value[0], pointer, offset)
        self.code.store(value[1], pointer, self.code.index(offset, self.lanes))

    def add(self, a: Complex, b: Complex) -> Complex:
        """Return ``a + b``."""
        return self.code.add(a[0], b[0]), self.code.add(a[1], b[1])

    def sub(self, a: Complex, b: Complex) -> Complex:
        """Return ``a - b``."""
        return self.code.sub(a[0], b[0]), self.code.sub(a[1], b[1])

    def times(self, a: Complex, b: Complex, *, conjugate: bool = False) -> Complex:
        """Return ``a * b``, or ``a`` times the conjugate of ``b``."""
        code, (ar, ai), (br, bi) = self.code, a, b
        if conjugate:
            return (
                code.fma(ai, bi, code.mul(ar, br)),
                code.fma(ai, br, code.neg(code.mul(ar, bi))),
            )
        return code.fma(ar, br, code.neg(code.mul(ai, bi))), code.fma(ar, bi, code.mul(ai, br))

    def plus_product(self, total: Complex, a: Complex, b: Complex) -> Complex:
        """Return ``total + a * b``."""
        code, (ar, ai), (br, bi) = self.code, a, b
        real = code.fma(code.neg(ai), bi, code.fma(ar, br, total[0]))
        return real, code.fma(ar, bi, code.fma(ai, br, total[1]))

    def turned(self, a: Complex, quarters: int) -> Complex:
        """Return ``a * 1j ** quarters``."""
        real, imaginary = a
        match quarters % 4:
            case 1:
                return self.code.neg(imaginary), real
            case 2:
                return self.code.neg(real), self.code.neg(imaginary)
            case 3:
                return imaginary, self.code.neg(real)
        return a

    def rotated(self, a: Complex, turn: float) -> Complex:
        """Return ``a * exp(2j pi turn)`` for a constant ``turn``."""
        quarters, rest = divmod(turn * 4, 1)
        if rest == 0:
            return self.turned(a, int(quarters))
        code, factor = self.code, cmath.rect(1.0, 2 * math.pi * turn)
        if rest == 0.5:
            # Both parts of the factor have the same magnitude: add first, multiply once each.
            a = self.turned(a, int(quarters))
            half = self.constant(math.sqrt(0.5))
            return code.mul(code.sub(a[0], a[1]), half), code.mul(code.add(a[0], a[1]), half)
        real, imaginary = self.constant(abs(factor.real)), self.constant(abs(factor.imag))
        return self.times(
            a,
            (
                real if factor.real > 0 else code.neg(real),
                imaginary if factor.imag > 0 else code.neg(imaginary),
            ),
        )

    def butterfly(self, values: Sequence[Complex], sign: int) -> list[Complex]:
        """Return the discrete Fourier transform of 2, 4, 8 or 16 vectors or thrice as many.

        Straight-line code, lane by lane, split by radices 3, 2 and 4 (J. Cooley and J. Tukey,
        1965), in natural order.

        Parameters
        ----------
        values : sequence of Complex
            One vector for each index.
        sign : {-1, 1}
            Of the exponent: -1 is the forward transform. Neither is scaled.
        """
        n = len(values)
        if n == 1:
            return list(values)
        radix = 3 if n % 3 == 0 else 2 if n in (2, 8) else 4
        rest = n // radix
        parts = []
        for j in range(rest):
            short = self._short([values[j + q * rest] for q in range(radix)], sign)
            parts.append([self.rotated(short[q], sign * j * q / n) for q in range(radix)])
        columns = [self.butterfly([part[q] for part in parts], sign) for q in range(radix)]
        return [columns[k % radix][k // radix] for k in range(n)]

    def _short(self, v: Sequence[Complex], sign: int) -> list[Complex]:
        if len(v) == 2:
            return [self.add(v[0], v[1]), self.sub(v[0], v[1])]
        if len(v) == 3:
            return self._thirds(v[0], v[1], v[2], sign)
        even, odd = self.add(v[0], v[2]), self.add(v[1], v[3])
        above, across = self.sub(v[0], v[2]), self.sub(v[1], v[3])
        (ar, ai), (br, bi) = above, across
        # across * 1j, written as additions so that nothing is negated.
        plus = (self.code.sub(ar, bi), self.code.add(ai, br))
        minus = (self.code.add(ar, bi), self.code.sub(ai, br))
        first, last = (plus, minus) if sign > 0 else (minus, plus)
        return [self.add(even, odd), first, self.sub(even, odd), last]

    def _thirds(self, a: Complex, b: Complex, c: Complex, sign: int) -> list[Complex]:
        code = self.code
        half, height = self.constant(-0.5), self.constant(sign * math.sqrt(0.75))
        (sum_r, sum_i), (difference_r, difference_i) = self.add(b, c), self.sub(b, c)
        middle = code.fma(half, sum_r, a[0]), code.fma(half, sum_i, a[1])
        # The difference times 1j.
        across = code.neg(code.mul(height, difference_i)), code.mul(height, difference_r)
        first = self.add(a, (sum_r, sum_i))
        return [first, self.add(middle, across), self.sub(middle, across)]
