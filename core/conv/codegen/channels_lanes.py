"""Which outputs share a vector: images where there are many, else patches of fewer images.

Work is cut into patches of outputs, all of one size; what sticks out at the far edges is moved
back inside. A bundle is as many patches as a vector has lanes, computed together: the same patch
of several images, or, where images are few, any patches of any images.
"""

from __future__ import annotations

import itertools
import math
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from core.conv.codegen.memory import empty
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
class Bundles:
    """What lies in the lanes of all bundles; lanes without a patch repeat the first one's.

    Parameters
    ----------
    images : array of shape (bundles, lanes)
        The image of each lane.
    corners : array of shape (bundles, lanes, axes)
        The first output of each lane's patch.
    """

    images: Table
    corners: Table


@lru_cache(maxsize=256)
def bundles(form: NormalForm, cut: Cut, lanes: int) -> Bundles:
    """Return all bundles.

    Examples
    --------
    >>> form = NormalForm(3, 1, 1, 1, (9,), (1,), (0,), (9,), (1,), (1,), "float32")
    >>> bundles(form, Cut((9,), True), 2).images.tolist()
    [[0, 1], [2, 2]]
    >>> bundles(form, Cut((5,), False), 4).corners[..., 0].tolist()
    [[0, 4, 0, 4], [0, 4, 0, 0]]
    """
    axes = [
        [min(i, n - m) for i in range(0, n, m)] for n, m in zip(form.out, cut.size, strict=True)
    ]
    corners = np.array(list(itertools.product(*axes)), np.int64)
    if cut.by_image:
        blocks = filled(np.arange(form.batch), lanes)
        images = np.repeat(blocks, len(corners), axis=0)
        places = np.tile(np.arange(len(corners)), len(blocks))
        return Bundles(images, np.repeat(corners[places, None], lanes, axis=1))
    patches = filled(np.arange(form.batch * len(corners)), lanes)
    return Bundles(patches // len(corners), corners[patches % len(corners)])


def filled(numbers: Table, lanes: int) -> Table:
    """Return numbers in rows of as many as there are lanes, the last one filled with its first.

    Examples
    --------
    >>> filled(np.arange(5), 3).tolist()
    [[0, 1, 2], [3, 4, 3]]
    """
    rows = numbers[: len(numbers) // lanes * lanes].reshape(-1, lanes)
    left = numbers[rows.size :]
    if not left.size:
        return rows
    last = np.concatenate([left, np.repeat(left[:1], lanes - left.size)])
    return np.concatenate([rows, last[None]])


def bundle_count(form: NormalForm, cut: Cut, lanes: int) -> int:
    """Return how many bundles `bundles` yields."""
    patches = math.prod(-(-n // m) for n, m in zip(form.out, cut.size, strict=True))
    if cut.by_image:
        return -(-form.batch // lanes) * patches
    return -(-form.batch * patches // lanes)


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
    begin = at = np.zeros(1, np.int64)
    pitches = [math.prod(span[axis + 1 :]) * lanes for axis in range(len(span))]
    for axis, (a, b) in enumerate(zip(low, high, strict=True)):
        index = np.arange(a, b if axis < len(span) - 1 else a + 1, dtype=np.int64)
        begin = np.add.outer(begin, (index + first[axis]) * strides[axis])
        at = np.add.outer(at, index * pitches[axis])
    length = high[-1] - low[-1]
    whole = all(a == 0 and b == m for a, b, m in zip(low, high, span, strict=True))
    table = np.stack([np.ravel(begin), np.ravel(at)], axis=1)
    return Runs(table, length // lanes, length % lanes, whole)


_SCRATCH = threading.local()
# Larger arrays are not worth their memory between two calls.
_KEPT_BYTES = 1 << 23


def scratch(role: str, shape: Shape, dtype: str) -> np.ndarray[Any, Any]:
    """Return an array of this thread's own, on a cache line; the role's last one is reused.

    The caller holds it for as long as a kernel writes to it: a large one is not kept here.
    """
    held: dict[str, tuple[Shape, str, np.ndarray[Any, Any]]] = _SCRATCH.__dict__
    last = held.get(role)
    if last is not None and last[:2] == (shape, dtype):
        return last[2]
    array = empty(shape, dtype)
    if array.nbytes <= _KEPT_BYTES:
        held[role] = shape, dtype, array
    return array
