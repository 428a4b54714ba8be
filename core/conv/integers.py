"""Integer convolution is exact, or refused: bounds before the work, a range check after it."""

from __future__ import annotations

import math

import numpy as np

from core.arrays import Array, array_module
from core.errors import IntegerOverflow

# What each accumulator holds exactly, in bits; the first that is large enough is the fastest.
_ACCUMULATORS = (("float32", 24), ("float64", 53), ("int64", 63))


def bits_of_dtypes(x_dtype: str, w_dtype: str, products: int) -> int:
    """Bound the bits of an output from dtypes alone: every value at its dtype's limit.

    Examples
    --------
    >>> bits_of_dtypes("uint8", "int8", 9)
    19
    """
    return _bits(_limit(x_dtype) * _limit(w_dtype) * products)


def bits_of_values(x: Array, w: Array, cval: int) -> int:
    """Bound the bits of an output from the values: max|x| times the largest sum|w|.

    Parameters
    ----------
    x : array
        Integers of any shape.
    w : array of shape ``(O, ...)``
        Integers; the magnitudes of each output channel's kernel are summed.
    cval : int
        What may lie outside ``x``.

    Examples
    --------
    >>> bits_of_values(np.array([-3, 2]), np.array([[1, -2]]), 0)
    4
    """
    largest = max(abs(int(x.min())), abs(int(x.max())), abs(cval))
    # A sum in double precision, rounded up by more than its error.
    sums = abs(w.astype("float64")).reshape(w.shape[0], -1).sum(axis=1)
    return _bits(largest * math.ceil(float(sums.max()) * (1 + 1e-9)))


def accumulator(bits: int) -> str:
    """Return the fastest dtype in which sums below ``2**bits`` are exact.

    Examples
    --------
    >>> accumulator(20), accumulator(60), accumulator(64)
    ('float32', 'int64', 'object')
    """
    return next((name for name, capacity in _ACCUMULATORS if bits <= capacity), "object")


def to_dtype(values: Array, dtype: str, bits: int) -> Array:
    """Return exact ``values`` as integer ``dtype``.

    Raises
    ------
    IntegerOverflow
        A value lies outside the range of ``dtype``.
    """
    info = np.iinfo(dtype)
    if bits > info.bits - (info.kind == "i"):
        low, high = int(values.min()), int(values.max())
        if low < info.min or high > info.max:
            raise IntegerOverflow(
                f"outputs range from {low} to {high}, {dtype} holds {info.min} to {info.max}",
                field="dtype",
                given=np.dtype(dtype),
                accepted="inputs of a wider type: float64 holds them rounded"
                + ("" if info.bits == 64 else ", int64 exactly"),
            )
    return array_module(values).asarray(values).astype(dtype, copy=False)


def _limit(dtype: str) -> int:
    info = np.iinfo(dtype)
    return max(int(info.max), -int(info.min))


def _bits(bound: int) -> int:
    return bound.bit_length()
