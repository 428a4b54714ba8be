"""Spectra of kernels, in the order in which the generated tiles produce theirs.

They are kept for the next problem with the same kernel, the least recently used go first.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from core.conv.blocks import Check, for_each
from core.conv.codegen.fft_layout import boxes_of, emptied, evened, interleaved
from core.conv.codegen.fft_memory import RealArray, new_tiles
from core.conv.codegen.fft_run import strides_of, transform
from core.conv.normal import NormalForm, Shape
from core.conv.overlap_save import transform_dtype

# Kernels that are transformed between two checks hold about this many points.
_CHUNK_POINTS = 1 << 22
# Bytes of spectra that are kept; one that is larger than half of it is not.
_KEPT = 1 << 27
# Kernels that differ in none of so many values are compared value by value.
_SAMPLE = 64


@dataclass(frozen=True)
class _Entry:
    w: RealArray
    spectra: RealArray


_entries: OrderedDict[tuple[Any, ...], _Entry] = OrderedDict()
_lock = Lock()


def spectra(
    form: NormalForm,
    w: RealArray,
    tile: Shape,
    *,
    in_pairs: bool,
    check: Check,
    workers: int,
) -> RealArray:
    """Transform all kernels, with the transforms' factor divided out.

    Parameters
    ----------
    form : NormalForm
        Of the problem.
    w : array of shape ``(out_channels, in_channels / groups, *kernel)``
        Oriented for convolution.
    tile : tuple of int
        Not shorter than the dilated kernel.
    in_pairs : bool
        Whether two output channels of a real problem share a spectrum, the second times ``1j``:
        a real tile's result then has them as its real and imaginary parts.
    check : callable
        Raises to cancel.
    workers : int
        Threads to use.

    Returns
    -------
    array of shape ``(out_channels, in_channels / groups, elements)``
        Read-only. Half as many channels where they are in pairs; an odd last one of a group is
        alone.
    """
    sample = w.ravel()[:: max(1, w.size // _SAMPLE)].tobytes()
    options = (transform_dtype(form), form.dilation, form.groups, tile, in_pairs)
    key = (w.shape, w.dtype.str, sample, *options)
    with _lock:
        entry = _entries.get(key)
        if entry is not None and np.array_equal(entry.w, w):
            _entries.move_to_end(key)
            return entry.spectra
    result = _transformed(form, w, tile, in_pairs=in_pairs, check=check, workers=workers)
    result.flags.writeable = False
    if result.nbytes <= _KEPT // 2:
        with _lock:
            _entries.pop(key, None)
            _entries[key] = _Entry(w.copy(), result)
            while sum(entry.spectra.nbytes for entry in _entries.values()) > _KEPT:
                _entries.popitem(last=False)
    return result


def _transformed(
    form: NormalForm, w: RealArray, tile: Shape, *, in_pairs: bool, check: Check, workers: int
) -> RealArray:
    # The smaller operand takes the factor.
    kernels = _dilated(form, w.astype(transform_dtype(form)) / math.prod(tile))
    boxes = boxes_of(kernels, form.ndim).reshape(
        form.groups, -1, form.group_channels, 1 + 2 * form.ndim
    )
    words = boxes.shape[-1]
    if form.is_complex:
        turns = boxes.reshape(-1, 1, words)
    elif in_pairs:
        boxes = evened(boxes, 1)
        pairs = interleaved(boxes[:, 0::2].reshape(-1, words), boxes[:, 1::2].reshape(-1, words))
        turns = pairs.reshape(-1, 2, words)
    else:
        alone = boxes.reshape(-1, words)
        turns = interleaved(alone, emptied(alone)).reshape(-1, 2, words)
    part = str(kernels.real.dtype)
    forward = transform("forward", part, tile, is_complex=form.is_complex)
    result = new_tiles(part, tile, (len(turns),))
    strides = strides_of(kernels, kernels, form.ndim)
    chunk = max(1, min(_CHUNK_POINTS // math.prod(tile), -(-len(turns) // (2 * workers))))

    def work(first: int) -> None:
        some = turns[first : first + chunk].reshape(-1, words)
        forward(some, some, strides, result, result[first : first + chunk])

    for_each(work, range(0, len(turns), chunk), check, workers)
    return result.reshape(-1, form.group_channels, result.shape[-1])


def _dilated(form: NormalForm, w: RealArray) -> RealArray:
    if max(form.dilation) == 1:
        return np.ascontiguousarray(w)
    result = np.zeros((*w.shape[:2], *(r + 1 for r in form.reach)), w.dtype)
    taps = tuple(slice(None, None, d) for d in form.dilation)
    result[:, :, *taps] = w
    return result
