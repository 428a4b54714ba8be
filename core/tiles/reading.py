"""A part of an array, also beyond its edges, of which only what is needed is read."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.conv.boundary import Boundary, source_positions
from core.tiles.grid import Ranges, Shape

Read = Callable[[tuple[slice, ...]], NDArray[Any]]


class _Run(NamedTuple):
    """Some positions of the part that are read at once.

    Attributes
    ----------
    there : slice
        In the part.
    here : slice or None
        In the array; None outside, where a constant stands.
    order : array or None
        Of the elements of ``here``, where it is not their own.
    """

    there: slice
    here: slice | None
    order: NDArray[np.intp] | None


def read_extended(
    read: Read,
    shape: Shape,
    dtype: np.dtype[Any],
    ranges: Ranges,
    boundary: Boundary,
    cval: complex = 0,
) -> NDArray[Any]:
    """Return a part of an array that goes on beyond its edges.

    Parameters
    ----------
    read : callable
        ``read(slices)`` gives a part within the array.
    shape, dtype
        Of the array.
    ranges : tuple of (first, last)
        The part, on each axis; ``first`` may be negative and ``last`` beyond the end.
    boundary : str
        What lies outside, as in `core.conv`.
    cval : number
        The value outside for boundary ``constant``.

    Returns
    -------
    ndarray
        Of ``dtype``. It holds what NumPy's ``pad`` would give of the whole array.

    Examples
    --------
    >>> x = np.arange(10, 16)
    >>> read_extended(x.__getitem__, x.shape, x.dtype, ((-2, 3),), "mirror")
    array([12, 11, 10, 11, 12])
    """
    axes = [_runs(first, last, n, boundary) for (first, last), n in zip(ranges, shape, strict=True)]
    outside = cval if boundary == "constant" else 0
    part = np.full([last - first for first, last in ranges], outside, dtype)
    for runs in itertools.product(*axes):
        inside = [run.here for run in runs if run.here is not None]
        if len(inside) < len(runs):
            continue
        piece = read(tuple(inside))
        for axis, run in enumerate(runs):
            if run.order is not None:
                piece = piece.take(run.order, axis)
        part[tuple(run.there for run in runs)] = piece
    return part


def _runs(first: int, last: int, n: int, boundary: Boundary) -> list[_Run]:
    """Cut the positions at the edges of the array and of its first repetitions.

    What lies further outside needs all of the array, so that it is read once.
    """
    edges = sorted({first, last, *(edge for edge in (-n, 0, n, 2 * n) if first < edge < last)})
    return [_run(first, a, b, n, boundary) for a, b in itertools.pairwise(edges)]


def _run(origin: int, first: int, last: int, n: int, boundary: Boundary) -> _Run:
    there = slice(first - origin, last - origin)
    if first >= 0 and last <= n:
        return _Run(there, slice(first, last), None)
    if boundary in ("zero", "constant"):
        return _Run(there, None, None)
    source = source_positions(np.arange(first, last), n, boundary)
    lowest = int(source.min())
    return _Run(there, slice(lowest, int(source.max()) + 1), source - lowest)
