"""What lies outside the input, for every boundary but zero."""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np

from core.arrays import Array, array_module, is_on_gpu

Boundary = Literal["zero", "constant", "reflect", "mirror", "nearest", "wrap"]
BOUNDARIES: tuple[Boundary, ...] = get_args(Boundary)
Range = tuple[int, int]
Widths = tuple[Range, ...]

# scipy.ndimage's names on the left, cupy.pad's on the right.
_PAD_MODES = {
    "constant": "constant",
    "reflect": "symmetric",
    "mirror": "reflect",
    "nearest": "edge",
    "wrap": "wrap",
}


def extend(x: Array, widths: Widths, boundary: Boundary, cval: complex) -> Array:
    """Return ``x`` with its last axes extended.

    Parameters
    ----------
    x : array
        Any shape and dtype.
    widths : tuple of (before, after)
        How many elements to add, one pair for each of the last ``len(widths)`` axes.
    boundary : str
        ``constant`` (``k k | a b c d | k k``), ``reflect`` (``b a | a b c d | d c``), ``mirror``
        (``c b | a b c d | c b``), ``nearest`` (``a a | a b c d | d d``) or ``wrap``
        (``c d | a b c d | a b``): the names of `scipy.ndimage`.
    cval : number
        The ``k`` of ``constant``.

    Returns
    -------
    array or Extended
        ``x`` itself where nothing is added; on a GPU a new array of the same dtype; in this
        machine's memory an `Extended`, which ``numpy.asarray`` makes an array.

    Examples
    --------
    >>> np.asarray(extend(np.arange(4), ((2, 2),), "mirror", 0))
    array([2, 1, 0, 1, 2, 3, 2, 1])
    """
    if not any(before or after for before, after in widths):
        return x
    if not is_on_gpu(x):
        return Extended(x, widths, boundary, cval)
    return _padded(x, widths, boundary, cval)


class Extended:
    """An array with its last axes extended, of which only the parts that are read are made.

    Parameters
    ----------
    base : numpy.ndarray
        What is extended.
    widths, boundary, cval
        See `extend`.

    Attributes
    ----------
    shape, ndim, dtype
        As of an array.
    inside : tuple of (first, last)
        Where ``base`` lies, on each of the extended axes: parts of it are views of ``base``.

    Examples
    --------
    >>> x = Extended(np.arange(10), ((3, 3),), "wrap", 0)
    >>> x.shape, x[1:5], np.shares_memory(x[4:9], x.base)
    ((16,), array([8, 9, 0, 1]), True)
    """

    def __init__(
        self, base: np.ndarray[Any, Any], widths: Widths, boundary: Boundary, cval: complex
    ) -> None:
        self.base, self.widths, self.boundary, self.cval = base, widths, boundary, cval
        self.dtype, self.ndim = base.dtype, base.ndim
        self._lead = base.ndim - len(widths)
        lengths = base.shape[self._lead :]
        self.inside = tuple((b, b + n) for n, (b, _) in zip(lengths, widths, strict=True))
        self.shape = base.shape[: self._lead] + tuple(
            b + n + a for n, (b, a) in zip(lengths, widths, strict=True)
        )

    def __getitem__(self, key: Any) -> Array:
        """Return the part that slices of step 1 say; of the leading axes only: an `Extended`."""
        slices = self._slices(key)
        lead, last = slices[: self._lead], slices[self._lead :]
        base = self.base[lead]
        ranges = [s.indices(n)[:2] for s, n in zip(last, self.shape[self._lead :], strict=True)]
        if all(r == (0, n) for r, n in zip(ranges, self.shape[self._lead :], strict=True)):
            return Extended(base, self.widths, self.boundary, self.cval)
        # Positions in ``base``, some of them outside.
        ranges = [(a - b, z - b) for (a, z), (b, _) in zip(ranges, self.widths, strict=True)]
        lengths = base.shape[self._lead :]
        cuts = [_cut(start, stop, n) for (start, stop), n in zip(ranges, lengths, strict=True)]
        pieces = list(itertools.product(*cuts))
        if len(pieces) == 1 and all(map(_is_inside, pieces[0], lengths)):
            return self._piece(base, pieces[0])
        sizes = tuple(stop - start for start, stop in ranges)
        part = np.empty((*base.shape[: self._lead], *sizes), self.dtype)
        for piece in pieces:
            place: list[Any] = [
                slice(a - r[0], z - r[0]) for (a, z), r in zip(piece, ranges, strict=True)
            ]
            part[(..., *place)] = self._piece(base, piece)
        return part

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        """Return all of it as an array."""
        whole = _padded(self.base, self.widths, self.boundary, self.cval)
        result: np.ndarray[Any, Any] = np.asarray(whole, dtype)
        return result

    def astype(self, dtype: Any, *, copy: bool = True) -> np.ndarray[Any, Any]:
        """Return all of it as an array of ``dtype``."""
        return np.asarray(self).astype(dtype, copy=copy)

    def _slices(self, key: Any) -> tuple[slice, ...]:
        keys = key if isinstance(key, tuple) else (key,)
        if Ellipsis in keys:
            at = keys.index(Ellipsis)
            missing = self.ndim - len(keys) + 1
            keys = (*keys[:at], *(slice(None),) * missing, *keys[at + 1 :])
        return (*keys, *(slice(None),) * (self.ndim - len(keys)))

    def _piece(self, base: Array, piece: tuple[Range, ...]) -> Array:
        # On every axis all of it is inside of ``base``, or all outside.
        for axis, range_ in enumerate(piece, self._lead):
            n = base.shape[axis]
            if _is_inside(range_, n):
                base = base[(slice(None),) * axis + (slice(*range_),)]
            elif self.boundary == "constant":
                return self.cval
            else:
                base = base.take(source_positions(np.arange(*range_), n, self.boundary), axis)
        return base


def _cut(start: int, stop: int, n: int) -> list[Range]:
    # Before, inside and after an axis of length n, as far as there is something.
    ends = sorted({start, *(edge for edge in (0, n) if start < edge < stop), stop})
    return list(itertools.pairwise(ends))


def _is_inside(range_: Range, n: int) -> bool:
    return range_[0] >= 0 and range_[1] <= n


def _padded(x: Array, widths: Widths, boundary: Boundary, cval: complex) -> Array:
    return (_padded_there if is_on_gpu(x) else _padded_here)(x, widths, boundary, cval)


def _padded_here(x: Array, widths: Widths, boundary: Boundary, cval: complex) -> Array:
    # numpy.pad does the same, but takes twice as long for a small picture.
    lead = x.ndim - len(widths)
    lengths = x.shape[lead:]
    sides = zip(lengths, widths, strict=True)
    whole = np.empty((*x.shape[:lead], *(n + sum(width) for n, width in sides)), x.dtype)
    # Axis after axis: what is outside on one is taken from what the axes before it have filled.
    inside: list[Any] = [
        slice(before, before + n) for n, (before, _) in zip(lengths, widths, strict=True)
    ]
    whole[(..., *inside)] = x
    for axis, (n, (before, after)) in enumerate(zip(lengths, widths, strict=True)):
        filled = whole[(..., *(slice(None),) * axis, slice(None), *inside[axis + 1 :])]
        ahead = (slice(None),) * (lead + axis)
        for first, last in ((0, before), (before + n, before + n + after)):
            if first == last:
                continue
            if boundary == "constant":
                filled[(*ahead, slice(first, last))] = cval
            else:
                source = _source(first - before, last - before, n, before, boundary)
                filled[(*ahead, slice(first, last))] = filled[(*ahead, source)]
    return whole


@lru_cache(maxsize=4096)
def _source(start: int, stop: int, n: int, before: int, boundary: Boundary) -> Any:
    # Where what stands from ``start`` to ``stop`` comes from, on an axis with ``before`` elements
    # ahead of its n own: a slice if there is one, as views are taken in less time than copies.
    found = source_positions(np.arange(start, stop), n, boundary) + before
    steps = np.diff(found)
    if len(found) == 1 or (abs(steps[0]) == 1 and (steps == steps[0]).all()):
        step = 1 if len(found) == 1 else int(steps[0])
        end = int(found[-1]) + step
        return slice(int(found[0]), end if end >= 0 else None, step)
    return found


def _padded_there(x: Array, widths: Widths, boundary: Boundary, cval: complex) -> Array:
    lead = x.ndim - len(widths)
    is_far = any(max(width) > n for width, n in zip(widths, x.shape[lead:], strict=True))
    if is_far and boundary != "constant":
        # CuPy (14) goes on from what it has padded already, which is no whole period.
        for axis, (before, after) in enumerate(widths, lead):
            n = x.shape[axis]
            positions = array_module(x).arange(-before, n + after)
            x = x.take(source_positions(positions, n, boundary), axis)
        return x
    pad = ((0, 0),) * lead + widths
    options = {"constant_values": cval} if boundary == "constant" else {}
    return array_module(x).pad(x, pad, mode=_PAD_MODES[boundary], **options)


def source_positions(positions: Array, n: int, boundary: Boundary) -> Array:
    """Return which element of an axis of length ``n`` stands at each position, also far outside.

    Examples
    --------
    >>> source_positions(np.arange(-3, 6), 3, "reflect").tolist()
    [2, 1, 0, 0, 1, 2, 2, 1, 0]
    """
    if boundary == "nearest":
        return positions.clip(0, n - 1)
    if boundary == "wrap":
        return positions % n
    if boundary == "reflect":
        folded = positions % (2 * n)
        return np.minimum(folded, 2 * n - 1 - folded)
    folded = positions % max(1, 2 * n - 2)
    return np.minimum(folded, 2 * n - 2 - folded) if n > 1 else folded
