"""Kernels as sums of outer products, found by the singular value decomposition.

A 2-D kernel of rank 1 is a column times a row, and convolving with it is two 1-D passes. A
kernel of rank r takes r such pairs (S. Treitel and J. Shanks, "The design of multistage separable
planar filters", 1971). In more dimensions the row of each pair is unfolded again.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from core.arrays import Array, to_numpy
from core.conv.normal import NormalForm
from core.errors import AlgorithmRefused

# From this side on, and for no more terms than this, a kernel is decomposed by a sketch.
_LARGE, _MOST_TERMS = 64, 16

Vector = np.ndarray[Any, Any]
Term = tuple[Vector, ...]
"""One vector per axis; their outer product is a part of the kernel."""


def terms(kernel: Array) -> tuple[Term, ...] | None:
    """Split a kernel into outer products.

    Parameters
    ----------
    kernel : array of shape ``K``
        Real or complex floating point; or integers (also as dtype object), which are factored
        exactly.

    Returns
    -------
    tuple of terms or None
        Vectors of the kernel's dtype, whose outer products sum to the kernel: exactly for
        integers, to `tolerance` for floating point. ``None`` for integers of higher rank, and
        for large kernels of so high a rank that passes would never pay.

    Examples
    --------
    >>> [[v.tolist() for v in term] for term in terms(np.array([[2, 4], [3, 6]]))]
    [[[2, 3], [1, 2]]]
    """
    host = np.ascontiguousarray(to_numpy(kernel))
    if host.dtype.kind == "O":
        # Bytes of an object array are addresses, which say nothing about values.
        return _integer_terms(host)
    return _cached(host.tobytes(), host.shape, host.dtype.str)


def terms_of(form: NormalForm, kernel: Array) -> tuple[Term, ...]:
    """Return the terms of one kernel of ``form``, in the form's dtype.

    Raises
    ------
    AlgorithmRefused
        The kernel is of integers and no outer product of integers.
    """
    # Whole numbers lie exactly in a floating-point accumulator, and are factored as integers.
    whole = form.bits is not None and form.dtype != "object"
    found = terms(kernel.astype("int64") if whole else kernel)
    if found is None:
        raise AlgorithmRefused(
            "the integer kernel is no exact outer product", field="method", given="separable"
        )
    return tuple(tuple(v.astype(form.dtype, copy=False) for v in term) for term in found)


def tolerance(shape: tuple[int, ...], unit_roundoff: float) -> float:
    """Return how far the sum of terms may be from the kernel: relative to sum|w|, in sum|dw|."""
    return 8 * len(shape) * unit_roundoff * math.sqrt(math.prod(shape) * max(shape))


@lru_cache(maxsize=256)
def _cached(data: bytes, shape: tuple[int, ...], dtype: str) -> tuple[Term, ...] | None:
    kernel = np.frombuffer(data, dtype).reshape(shape)
    if kernel.dtype.kind in "iu":
        return _integer_terms(kernel)
    found = _float_terms(
        kernel.astype(np.result_type(dtype, "float64")), float(np.finfo(dtype).eps) / 2
    )
    if found is None:
        return None
    return tuple(tuple(vector.astype(dtype) for vector in term) for term in found)


def _float_terms(kernel: Vector, unit_roundoff: float) -> tuple[Term, ...] | None:
    if kernel.ndim == 1:
        return ((kernel,),)
    # The tail that is dropped is no larger than the rounding of the kernel's own values.
    limit = 8 * unit_roundoff * math.sqrt(max(kernel.shape))
    matrix = kernel.reshape(len(kernel), -1)
    found = _sketched(matrix, limit) if min(matrix.shape) > _LARGE else _decomposed(matrix)
    if found is None:
        return None
    u, s, v = found
    tails = np.sqrt(np.cumsum((s[::-1] / (s[0] or 1)) ** 2))[::-1]
    split: list[Term] = []
    for i in range(max(1, int(np.sum(tails > limit)))):
        rest = _float_terms(v[i].reshape(kernel.shape[1:]), unit_roundoff)
        if rest is None:
            return None
        split += [(u[:, i] * s[i], *vectors) for vectors in rest]
    return tuple(split)


def _decomposed(matrix: Vector) -> tuple[Vector, Vector, Vector]:
    u, s, v = np.linalg.svd(matrix, full_matrices=False)
    return u, s, v


def _sketched(matrix: Vector, limit: float) -> tuple[Vector, Vector, Vector] | None:
    # A full decomposition of a kernel of thousands of taps a side takes minutes. Its range is
    # found from few random combinations of its columns, and checked (N. Halko et al., "Finding
    # structure with randomness", 2011, algorithms 4.4 and 5.1).
    random = np.random.default_rng(0)
    basis = np.linalg.qr(matrix @ random.standard_normal((matrix.shape[1], _MOST_TERMS)))[0]
    basis = np.linalg.qr(matrix @ (matrix.conj().T @ basis))[0]
    inside = basis.conj().T @ matrix
    u, s, v = _decomposed(inside)
    if np.linalg.norm(matrix - basis @ inside) > limit * (s[0] or 1):
        return None
    return basis @ u, s, v


def _integer_terms(kernel: Vector) -> tuple[Term, ...] | None:
    if kernel.ndim == 1:
        return ((kernel,),)
    rows = kernel.reshape(len(kernel), -1).astype(object)
    row = next((r for r in rows if any(r)), rows[0])
    divisor = math.gcd(*row) or 1
    row = row // divisor
    pivot = next((i for i, value in enumerate(row) if value), 0)
    column = rows[:, pivot] // (row[pivot] or 1)
    if not np.array_equal(np.multiply.outer(column, row), rows):
        return None
    rest = _integer_terms(row.reshape(kernel.shape[1:]))
    if rest is None:
        return None
    return ((column.astype(kernel.dtype), *(v.astype(kernel.dtype) for v in rest[0])),)
