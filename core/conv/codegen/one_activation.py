"""What becomes of a number before it is stored.

Exponentials are computed as is usual: ``x = n ln 2 + r`` with a whole ``n``, and the Taylor series
of ``exp(r) - 1`` for the rest. Nothing of ``exp(x) - 1`` is lost near 0, as ``tanh`` and ``elu``
need it. Adding a large number brings ``n`` into the last bits of a floating-point number, from
where a shift makes it the exponent of ``2^n``; NaN stays NaN on this way.
"""

from __future__ import annotations

import math
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from core.conv.codegen.emit import Emitter, Value

Activation: TypeAlias = Literal["identity", "relu", "leaky_relu", "elu", "tanh", "sigmoid"]

# Bits of the mantissa, the exponent's zero, terms of the series for |r| < 0.35, and up to where 2^n
# is a normal number.
_FORMATS = {"float32": (23, 127, 7, 87.0), "float64": (52, 1023, 13, 708.0)}
# ln 2, less what a double can hold of it.
_LN2_BEYOND = 2.3190468138462996e-17
# Where the constants are.
_PARAMETER, _FARTHEST, _PER_LN2, _LN2, _LN2_REST, _SHIFTER, _ONE, _SERIES = range(8)


class Activated(Protocol):
    """A kernel's specialisation that names an activation."""

    @property
    def dtype(self) -> str:
        """Of the vectors."""

    @property
    def activation(self) -> Activation:
        """Its name."""


def constants(dtype: str, parameter: float) -> NDArray[Any]:
    """Return the numbers that activations take by pointer.

    Parameters
    ----------
    dtype : {"float32", "float64"}
        Of the vectors.
    parameter : float
        The slope of ``leaky_relu`` or the ``alpha`` of ``elu``.

    Examples
    --------
    >>> float(constants("float32", 0.25)[0])
    0.25
    """
    mantissa, zero, terms, farthest = _FORMATS[dtype]
    # The first half of the bits of ln 2, so that its products with n are exact.
    scale = 2.0 ** (mantissa // 2)
    first = math.floor(math.log(2) * scale) / scale
    shifter = 1.5 * 2.0**mantissa + zero
    rest = math.log(2) - first + _LN2_BEYOND
    head = [parameter, farthest, 1 / math.log(2), first, rest, shifter, 1.0]
    return np.array([*head, *(1 / math.factorial(k) for k in range(terms, 1, -1))], dtype)


def activated(code: Emitter, spec: Activated, vector: Value, numbers: Value) -> Value:
    """Return the activation of a vector; ``numbers`` is the address of `constants`.

    NaN stays what it is.
    """
    return _Writer(code, spec.dtype, vector.type.count, numbers).of(spec.activation, vector)


class _Writer:
    """Writes activations of vectors of one size."""

    def __init__(self, code: Emitter, dtype: str, lanes: int, numbers: Value) -> None:
        self.code, self.dtype, self.lanes, self.numbers = code, dtype, lanes, numbers

    def number(self, which: int) -> Value:
        return self.code.broadcast(self.numbers, self.dtype, self.lanes, which)

    def of(self, activation: Activation, x: Value) -> Value:
        code, zero = self.code, self.code.constant(0, self.dtype, self.lanes)
        if activation == "identity":
            return x
        if activation == "relu":
            return self.larger(zero, x)
        if activation == "leaky_relu":
            # For slopes up to 1 that is the larger of the two.
            return self.larger(code.mul(x, self.number(_PARAMETER)), x)
        if activation == "elu":
            negative = code.mul(self.number(_PARAMETER), self.less_one(x))
            return code.builder.select(code.builder.fcmp_ordered(">", x, zero), x, negative)
        one = self.number(_ONE)
        if activation == "tanh":
            # (exp(2 x) - 1) / (exp(2 x) + 1)
            above = self.less_one(code.add(x, x))
            return code.builder.fdiv(above, code.add(above, code.add(one, one)))
        # The square of exp(-x / 2) overflows where exp(-x) does, and its inverse is 0 then.
        half = code.neg(code.builder.fdiv(x, code.add(one, one)))
        root = code.add(self.less_one(half), one)
        return code.builder.fdiv(one, code.fma(root, root, one))

    def larger(self, a: Value, b: Value) -> Value:
        """Return the larger; ``b`` if it is NaN."""
        return self.code.builder.select(self.code.builder.fcmp_ordered(">", a, b), a, b)

    def less_one(self, x: Value) -> Value:
        """Return ``exp(x) - 1``, for ``x`` as far from 0 as 2^n is a normal number."""
        code, farthest = self.code, self.number(_FARTHEST)
        x = self.larger(code.neg(farthest), x)
        x = code.neg(self.larger(code.neg(farthest), code.neg(x)))
        shifter = self.number(_SHIFTER)
        shifted = code.fma(x, self.number(_PER_LN2), shifter)
        whole = code.neg(code.sub(shifted, shifter))
        rest = code.fma(whole, self.number(_LN2), x)
        rest = code.fma(whole, self.number(_LN2_REST), rest)
        terms = _FORMATS[self.dtype][2]
        series = self.number(_SERIES)
        for term in range(1, terms - 1):
            series = code.fma(series, rest, self.number(_SERIES + term))
        series = code.fma(code.mul(series, rest), rest, rest)
        power = self.power(shifted)
        return code.fma(series, power, code.sub(power, self.number(_ONE)))

    def power(self, shifted: Value) -> Value:
        """Return 2^n for the ``n`` in the last bits."""
        builder, bits = self.code.builder, np.dtype(self.dtype).itemsize * 8
        integers = ir.VectorType(ir.IntType(bits), self.lanes)
        by = ir.Constant(integers, [_FORMATS[self.dtype][0]] * self.lanes)
        exponent = builder.shl(builder.bitcast(shifted, integers), by)
        return builder.bitcast(exponent, shifted.type)
