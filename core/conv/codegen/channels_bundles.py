"""Bundles between memory and scratch: gather the inputs of a bundle, scatter its outputs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from core.conv.algorithm import Cost
from core.conv.blocks import cores, for_each, never
from core.conv.codegen import channels_transpose
from core.conv.codegen.channels_lanes import (
    Cut,
    Runs,
    Table,
    bundle_count,
    bundles,
    runs,
    scratch,
)
from core.conv.codegen.target import host
from core.conv.normal import NormalForm, Shape, read

# Dtypes of inputs that are converted while they are gathered; others are converted before.
_ELEMENTS = ("float16", "float32", "float64", "uint8", "int8", "uint16", "int16", "int32")

# Patches shorter than this are all worth a look; of longer ones, those that differ this much.
_SHORT = 9
_THINNED = 0.8
# Inputs of a bundle that take more than this are never worth it.
_MOST_BYTES = 1 << 22
_BUNDLE_MULTIPLY_ADDS = 1 << 30
# Less work than this is done before another thread is awake, which takes about 0.1 ms.
_THREAD_MULTIPLY_ADDS = 1 << 24
# Fewer weights than this are packed before another thread is awake.
_WORTH_A_THREAD = 1 << 18

Real = np.ndarray[Any, np.dtype[Any]]
Method = TypeVar("Method")


def readable(form: NormalForm, x: Real, cut: Cut) -> tuple[Real, NormalForm]:
    """Return ``x`` as it can be gathered, and the problem with it.

    Patches of different places must all lie inside of it; rows must lie in one piece, and be of a
    dtype that is converted on the way.
    """
    if not cut.by_image and _sticks_out(form):
        x = read(x, form.first_input((0,) * form.ndim), form.span, _name(x.dtype))
        form = replace(form, spatial=form.span, start=form.reach)
    wide = x.itemsize > form.itemsize
    if wide or _name(x.dtype) not in _ELEMENTS or not x.dtype.isnative:
        x = x.astype(form.dtype)
    return _in_rows(x), form


class Gather:
    """Brings the inputs of a bundle into lanes, as ``(channel, *positions, lane)``.

    Parameters
    ----------
    form : NormalForm
        The problem, as `readable` returns it.
    cut : Cut
        How it is cut into bundles.
    x : array
        What `readable` returned.
    origins : array of shape (batch,), optional
        Where images begin in ``x``, in elements; by default one after another along axis 0.

    Attributes
    ----------
    shape : tuple of int
        Shape of the vectors of a bundle.
    """

    def __init__(self, form: NormalForm, cut: Cut, x: Real, origins: Table | None = None) -> None:
        strides = tuple(s // x.itemsize for s in x.strides)
        begins, self._boxes = _sources(form, cut, strides)
        if origins is not None:
            images = bundles(form, cut, host().lanes(form.itemsize)).images
            begins = begins + (origins - np.arange(form.batch) * strides[0])[images]
        self.shape = (form.group_channels, *form.span_of(cut.size), host().lanes(form.itemsize))
        self._places = x.ctypes.data + begins * x.itemsize
        self._channel = strides[1]
        element = _name(x.dtype)
        self._kernels = {
            box.tail: channels_transpose.kernel("gather", form.dtype, box.tail, element)
            for box in self._boxes
        }

    def __call__(self, bundle: int, channel: int, vectors: Real) -> None:
        """Fill ``vectors`` from ``channel`` on, with zeros where they lie outside of ``x``."""
        box = self._boxes[bundle % len(self._boxes)]
        if not box.whole:
            vectors.fill(0)
        _move(self._kernels[box.tail], self._places[bundle], box, vectors, channel * self._channel)


class Scatter:
    """Brings vectors ``(channel, *positions, lane)`` back to the bundle's places in ``out``.

    Parameters
    ----------
    form : NormalForm
        The problem.
    cut : Cut
        How it is cut into bundles.
    out : array
        With neighbours along its last axis side by side. Of a patch that is larger than it, only
        the part inside is written.
    """

    def __init__(self, form: NormalForm, cut: Cut, out: Real) -> None:
        self._lanes = host().lanes(form.itemsize)
        self._strides = tuple(s // out.itemsize for s in out.strides)
        self._places = out.ctypes.data + _targets(form, cut, self._strides) * out.itemsize
        self._out, self._size, self._dtype = out.shape[2:], cut.size, form.dtype

    def __call__(self, bundle: int, channel: int, count: int, vectors: Real) -> None:
        """Write ``count`` channels, from ``channel`` on."""
        box = self._box(count)
        move = channels_transpose.kernel("scatter", self._dtype, box.tail)
        _move(move, self._places[bundle], box, vectors, channel * self._strides[1])

    def _box(self, count: int) -> Runs:
        inside, span = (count, *self._out), (count, *self._size)
        return runs(self._strides[1:], inside, (0,) * len(span), span, self._lanes)


@lru_cache(maxsize=256)
def _sources(form: NormalForm, cut: Cut, strides: Shape) -> tuple[Table, tuple[Runs, ...]]:
    # Where each lane of each bundle begins in the input, and the box of each of its places.
    lanes = host().lanes(form.itemsize)
    plan = bundles(form, cut, lanes)
    begins = plan.images * strides[0]
    firsts = plan.corners * np.array(form.stride) + np.array(form.start) - np.array(form.reach)
    if cut.by_image:
        # The same patch of all images: what lies outside is the same for all lanes.
        corners = firsts[: bundle_count(replace(form, batch=1), cut, lanes), 0].tolist()
    else:
        begins = begins + firsts @ np.array(strides[2:])
        corners = [[0] * form.ndim]
    sizes, span = ((form.group_channels, *n) for n in (form.spatial, form.span_of(cut.size)))
    return begins, tuple(runs(strides[1:], sizes, (0, *c), span, lanes) for c in corners)


@lru_cache(maxsize=256)
def _targets(form: NormalForm, cut: Cut, strides: Shape) -> Table:
    # Where each lane of each bundle begins in the output.
    plan = bundles(form, cut, host().lanes(form.itemsize))
    begins: Table = plan.images * strides[0] + plan.corners @ np.array(strides[2:])
    return begins


@lru_cache(maxsize=64)
def _name(dtype: np.dtype[Any]) -> str:
    # NumPy derives the name anew each time, which takes microseconds.
    return str(dtype.name)


def _move(move: Callable[..., None], places: Table, box: Runs, vectors: Real, skipped: int) -> None:
    table = box.table
    move(
        places.ctypes.data,
        table.ctypes.data,
        vectors.ctypes.data,
        len(table),
        box.squares,
        skipped,
    )


def packed(w: Real, channels: Table, dtype: str) -> Real:
    """Return the kernels of the given channels as ``(value of the kernel, lane)``.

    Parameters
    ----------
    w : array
        Kernels ``(channel, ...)``, oriented for convolution; the result is not.
    channels : array of shape (blocks, lanes)
        Which channel's kernel goes where.
    dtype : str
        Dtype of the result, ``(blocks, values, lanes)``: scratch memory.
    """
    ahead = _in_rows(w[(slice(None), slice(None), *(slice(None, None, -1),) * (w.ndim - 2))])
    lanes, span = channels.shape[1], ahead.shape[1:]
    strides = tuple(s // ahead.itemsize for s in ahead.strides[1:])
    box = runs(strides, span, (0,) * len(span), span, lanes)
    places = ahead.ctypes.data + channels * ahead.strides[0]
    vectors = scratch("packed", (len(channels), math.prod(span), lanes), dtype)
    move = channels_transpose.kernel("gather", dtype, box.tail, _name(ahead.dtype))

    def pack(block: int) -> None:
        _move(move, places[block], box, vectors[block], 0)

    workers = cores() if vectors.size > _WORTH_A_THREAD else 1
    for_each(pack, range(len(channels)), never, workers)
    return vectors


def _in_rows(x: Real) -> Real:
    # Neighbours along the last axis side by side, and all distances whole elements.
    if x.strides[-1] != x.itemsize or any(s % x.itemsize for s in x.strides):
        return np.ascontiguousarray(x)
    return x


def cuts(form: NormalForm, work: int) -> Iterator[Cut]:
    """Yield the ways to cut a problem that are worth pricing.

    ``work`` is the number of multiply-adds per position and lane: bundles take some 10 ms at most,
    so that a check is never far.
    """
    lanes = host().lanes(form.itemsize)
    for size in itertools.product(*map(patch_sizes, form.out)):
        inputs = form.group_channels * math.prod(form.span_of(size)) * lanes * form.itemsize
        positions = math.prod(size)
        if positions == 1 or (
            positions * lanes * work <= _BUNDLE_MULTIPLY_ADDS and inputs <= _MOST_BYTES
        ):
            yield Cut(size, True)
            yield Cut(size, False)


def threads(form: NormalForm, most: int) -> int:
    """Return how many threads work on the bundles: one, where it is done before another is awake.

    Examples
    --------
    >>> form = NormalForm(1, 2, 1, 1, (3,), (2,), (0,), (4,), (1,), (1,), "float32")
    >>> threads(form, 8)
    1
    """
    return 1 if form.multiply_adds <= _THREAD_MULTIPLY_ADDS else most


def fastest(priced: list[tuple[Cost, Method]], memory_cap: int | None) -> tuple[Cost, Method]:
    """Return the fastest of the methods that the cap allows; if none, the smallest."""
    fitting = [p for p in priced if memory_cap is None or p[0].bytes <= memory_cap]
    if not fitting:
        return min(priced, key=lambda p: p[0].bytes)
    return min(fitting, key=lambda p: p[0].seconds)


def padded_bytes(form: NormalForm, cut: Cut) -> int:
    """Return the bytes of the copy with zeros around that patches of different places need."""
    if cut.by_image or not _sticks_out(form):
        return 0
    return form.batch * form.in_channels * math.prod(form.span) * form.itemsize


def patch_sizes(n: int) -> list[int]:
    """Return lengths of patches that leave little over: an axis cut into equal parts.

    Of long ones, which differ little, only some.

    Examples
    --------
    >>> patch_sizes(7)
    [7, 4, 3, 2, 1]
    """
    sizes = [n]
    while sizes[-1] > 1:
        most = sizes[-1] - 1 if sizes[-1] <= _SHORT else int(sizes[-1] * _THINNED)
        parts = -(-n // most)
        sizes.append(-(-n // parts))
    return sizes


def pitches(shape: Shape, lanes: int) -> Shape:
    """Return how far neighbours along each axis of vectors of ``shape`` are apart."""
    return tuple(math.prod(shape[axis + 1 :]) * lanes for axis in range(len(shape)))


def distances(steps: list[tuple[int, int]]) -> Table:
    """Return the sums of all multiples of the given steps, below the given counts, in order.

    Examples
    --------
    >>> distances([(2, 10), (3, 1)]).tolist()
    [0, 1, 2, 10, 11, 12]
    """
    total = np.zeros(1, np.int64)
    for count, step in steps:
        total = np.add.outer(total, np.arange(count, dtype=np.int64) * step).ravel()
    return total


def _sticks_out(form: NormalForm) -> bool:
    first = form.first_input((0,) * form.ndim)
    return any(f < 0 or f + m > n for f, m, n in zip(first, form.span, form.spatial, strict=True))
