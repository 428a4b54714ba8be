"""Which outputs share a vector: images where there are many, else patches of fewer images.

Work is cut into patches of outputs, all of one size; what sticks out at the far edges is moved
back inside. A bundle is as many patches as a vector has lanes, computed together: the same patch
of several images, or, where images are few, any patches of any images.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from core.conv.codegen import channels_transpose
from core.conv.normal import NormalForm, Shape

Table = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Cut:
    """How the outputs of a problem become bundles.

    Parameters
    ----------
    size : tuple of int
        Shape of a patch.
    by_image : bool
        Whether the lanes of a bundle are the same patch of different images.
    """

    size: Shape
    by_image: bool


@dataclass(frozen=True)
class Bundle:
    """What lies in the lanes: for each the image, and the first output of its patch."""

    images: tuple[int, ...]
    corners: tuple[Shape, ...]


def bundles(form: NormalForm, cut: Cut, lanes: int) -> Iterator[Bundle]:
    """Yield all bundles; the last ones may have fewer patches than there are lanes.

    Examples
    --------
    >>> form = NormalForm(3, 1, 1, 1, (9,), (1,), (0,), (9,), (1,), (1,), "float32")
    >>> [b.images for b in bundles(form, Cut((9,), True), 2)]
    [(0, 1), (2,)]
    >>> [b.corners for b in bundles(form, Cut((5,), False), 4)]
    [((0,), (4,), (0,), (4,)), ((0,), (4,))]
    """
    corners = _corners(form.out, cut.size)
    if cut.by_image:
        for first in range(0, form.batch, lanes):
            images = tuple(range(first, min(first + lanes, form.batch)))
            for corner in corners:
                yield Bundle(images, (corner,) * len(images))
        return
    patches = list(itertools.product(range(form.batch), corners))
    for first in range(0, len(patches), lanes):
        images, corner_of = zip(*patches[first : first + lanes], strict=True)
        yield Bundle(images, corner_of)


def bundle_count(form: NormalForm, cut: Cut, lanes: int) -> int:
    """Return how many bundles `bundles` yields."""
    patches = math.prod(-(-n // m) for n, m in zip(form.out, cut.size, strict=True))
    if cut.by_image:
        return -(-form.batch // lanes) * patches
    return -(-form.batch * patches // lanes)


def addresses(array: np.ndarray[Any, Any], offsets: list[int], lanes: int) -> Table:
    """Return an address per lane; those without an offset (in elements) share the first one's."""
    filled = np.array(offsets + offsets[:1] * (lanes - len(offsets)), np.int64)
    return array.ctypes.data + filled * array.itemsize


@dataclass(frozen=True)
class Runs:
    """The rows of a box, for `core.conv.codegen.channels_transpose`.

    Parameters
    ----------
    table : array of shape (count, 2)
        Where each run begins, from the lane's address; and where its vectors go.
    squares, tail : int
        Its length: squares of as many elements as there are lanes, and what is left.
    whole : bool
        Whether the runs fill the box; what they leave out is zero.
    """

    table: Table
    squares: int
    tail: int
    whole: bool


@lru_cache(maxsize=1024)
def runs(strides: Shape, sizes: Shape, first: Shape, span: Shape, lanes: int) -> Runs:
    """Return the runs of ``span`` elements from ``first`` on, which may lie outside.

    Parameters
    ----------
    strides, sizes : tuple of int
        Of the array that a lane lies in, in elements; the last stride is 1.
    first, span : tuple of int
        Of the box.
    lanes : int
        Of the vectors.

    Examples
    --------
    >>> box = runs((8, 1), (4, 8), (-1, 0), (3, 8), 4)
    >>> box.table.tolist(), box.squares, box.tail, box.whole
    ([[0, 32]], 4, 0, False)
    """
    while len(span) > 1 and first[-1] == 0 and span[-1] == sizes[-1] == strides[-2]:
        # Rows that follow one another without a gap are one long row.
        length = span[-1]
        first = (*first[:-2], first[-2] * length)
        span, sizes = ((*s[:-2], s[-2] * length) for s in (span, sizes))
        strides = (*strides[:-2], 1)
    low = [max(0, -f) for f in first]
    high = [min(m, n - f) for f, m, n in zip(first, span, sizes, strict=True)]
    if any(a >= b for a, b in zip(low, high, strict=True)):
        return Runs(np.zeros((0, 2), np.int64), 0, 0, False)
    begin, at = np.int64(0), np.int64(0)
    pitches = [math.prod(span[axis + 1 :]) * lanes for axis in range(len(span))]
    for axis, (a, b) in enumerate(zip(low, high, strict=True)):
        index = np.arange(a, b if axis < len(span) - 1 else a + 1, dtype=np.int64)
        begin = np.add.outer(begin, (index + first[axis]) * strides[axis])
        at = np.add.outer(at, index * pitches[axis])
    length = high[-1] - low[-1]
    whole = all(a == 0 and b == m for a, b, m in zip(low, high, span, strict=True))
    table = np.stack([np.ravel(begin), np.ravel(at)], axis=1)
    return Runs(table, length // lanes, length % lanes, whole)


def gather(
    array: np.ndarray[Any, Any], places: Table, box: Runs, vectors: np.ndarray[Any, Any]
) -> None:
    """Fill ``vectors`` with a box of every lane, zeros where it lies outside."""
    if not box.whole:
        vectors.fill(0)
    move = channels_transpose.kernel("gather", vectors.dtype.name, box.tail, array.dtype.name)
    _move(move, places, box, vectors)


def scatter(places: Table, box: Runs, vectors: np.ndarray[Any, Any]) -> None:
    """Write ``vectors`` to a box of every lane."""
    move = channels_transpose.kernel("scatter", vectors.dtype.name, box.tail)
    _move(move, places, box, vectors)


def _move(move: Any, places: Table, box: Runs, vectors: np.ndarray[Any, Any]) -> None:
    move(
        places.ctypes.data, box.table.ctypes.data, vectors.ctypes.data, len(box.table), box.squares
    )


_SCRATCH = threading.local()
_LINE_BYTES = 64


def scratch(role: str, shape: Shape, dtype: str) -> np.ndarray[Any, Any]:
    """Return an array of this thread's own, on a cache line; the role's last one is reused."""
    needed = math.prod(shape) * np.dtype(dtype).itemsize + _LINE_BYTES
    held: dict[str, np.ndarray[Any, Any]] = _SCRATCH.__dict__
    if role not in held or held[role].nbytes < needed:
        held[role] = np.empty(needed, np.uint8)
    start = -held[role].ctypes.data % _LINE_BYTES
    return held[role][start : start + needed - _LINE_BYTES].view(dtype).reshape(shape)


def _corners(out: Shape, size: Shape) -> list[Shape]:
    axes = [[min(i, n - m) for i in range(0, n, m)] for n, m in zip(out, size, strict=True)]
    return list(itertools.product(*axes))
