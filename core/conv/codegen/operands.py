"""Arrays as generated kernels read and write them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from core.arrays import Array
from core.conv.normal import NormalForm, Shape

REAL = {
    "float32": "float32",
    "float64": "float64",
    "int64": "int64",
    "complex64": "float32",
    "complex128": "float64",
}
"""The real numbers that an accumulator consists of, for those that kernels compute in."""

# What kernels load and convert, by what they compute in.
_STORED = {
    "float32": ("float32", "float16", "uint8", "int8", "uint16", "int16"),
    "float64": ("float64", "float32", "uint8", "int8", "uint16", "int16", "int32", "uint32"),
    "int64": ("int64", "uint8", "int8", "uint16", "int16", "int32", "uint32"),
}


def parts(form: NormalForm) -> int:
    """Return how many real numbers an accumulator consists of."""
    return 2 if form.is_complex else 1


def three(lengths: Shape) -> Shape:
    """Return lengths along depth, rows and columns; of axes that are missing, 1."""
    return (1,) * (3 - len(lengths)) + lengths


def with_missing(lengths: Shape, missing: int, value: int) -> Shape:
    """Return what belongs to ``(N, C, *spatial)`` with ``value`` for missing spatial axes."""
    return (*lengths[:2], *(value,) * missing, *lengths[2:])


def stored_dtype(form: NormalForm, x: Array) -> str:
    """Return the dtype in which ``x`` is best read: its own, where kernels convert it."""
    return _stored(form.dtype, x.dtype)


def real_dtype(x: Array) -> str:
    """Return the dtype of the real numbers that ``x`` holds in memory."""
    return _real(x.dtype)


def in_rows(x: Array) -> Array:
    """Return ``x`` with a contiguous last axis, as kernels read it; a view where it has one.

    Examples
    --------
    >>> in_rows(np.zeros((4, 6))[:, ::2]).strides
    (24, 8)
    """
    dense = x.shape[-1] == 1 or x.strides[-1] == x.itemsize
    return x if dense and x.flags.aligned else np.array(x, order="C")


def reversed_kernels(form: NormalForm, w: Array) -> Array:
    """Return one channel's kernels as correlation takes them: ``(O, *kernel)``, contiguous."""
    reverse = (slice(None, None, -1),) * form.ndim
    return np.ascontiguousarray(w[(slice(None), 0, *reverse)])


# The name of a dtype takes longer to make than many a convolution.
@cache
def _stored(dtype: str, own: np.dtype[Any]) -> str:
    return own.name if own.isnative and own.name in _STORED.get(dtype, ()) else dtype


@cache
def _real(dtype: np.dtype[Any]) -> str:
    return REAL.get(dtype.name, dtype.name)
