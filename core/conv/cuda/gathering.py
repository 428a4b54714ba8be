"""What products of matrices have in common whose one matrix, shifted inputs, is never made."""

from __future__ import annotations

import math

import numpy as np

from core.arrays import Array, array_module
from core.conv.blocks import Check
from core.conv.cuda.geometry import MOST_PLANES, strides
from core.conv.cuda.launch import contiguous, put_back, readable, types
from core.conv.cuda.modules import Macros, function
from core.conv.fixed import once
from core.conv.normal import NormalForm, Shape

# So many fill every device; where there are fewer, they share sums of no fewer places than that.
_ENOUGH_BLOCKS, _LEAST_SUM = 512, 256
# A block's weights are counted in 32 bits.
_MOST_PLACES = 1 << 24
# Inputs and outputs of an image are, too.
_MOST_INPUTS = 1 << 31
# To gather an input takes as long as so many multiply-adds: where its place is found for it alone,
# and for many channels at once. Counted in what compilers make of it; not measured.
_FIND, _FIND_CHANNELS = 16, 4

Span = tuple[int, int]
"""Rows and columns of a block's sums: output channels, and outputs of all images."""


def supports(form: NormalForm) -> bool:
    """Return whether places of ``form`` can be counted, along three axes at most."""
    places = form.group_channels * form.taps
    inputs = form.in_channels * math.prod(form.spatial)
    most = max(inputs, math.prod(form.out))
    return form.ndim <= 3 and places < _MOST_PLACES and most < _MOST_INPUTS


def products(form: NormalForm, span: Span) -> int:
    """Return how many there are, those of empty places in tiles too."""
    return math.prod(blocks(form, span)) * math.prod(span) * form.group_channels * form.taps


def gathering(form: NormalForm, span: Span, depth: int) -> int:
    """Return how many multiply-adds take as long as to gather the inputs for all blocks."""
    gathered = math.prod(blocks(form, span)) * span[1] * form.group_channels * form.taps
    return gathered * (_FIND_CHANNELS if channels_first(form, depth) else _FIND)


def moved(form: NormalForm, count: int) -> int:
    """Return the bytes of inputs and outputs, with sums in ``count`` parts."""
    inputs = form.batch * form.in_channels * math.prod(form.spatial)
    return (inputs + (2 * count - 1) * form.outputs) * form.itemsize


def memory(form: NormalForm, count: int) -> int:
    """Return the bytes that are taken for weights, and sums in ``count`` parts."""
    weights = form.out_channels * form.group_channels * form.taps
    return (weights + (count * form.outputs if count > 1 else 0)) * form.itemsize


def run(
    name: str,
    form: NormalForm,
    x: Array,
    w: Array,
    out: Array,
    *,
    span: Span,
    depth: int,
    count: int,
    block: tuple[int, int],
    macros: Macros,
    check: Check,
) -> None:
    """Fill ``out`` with the kernel ``name`` of ``name.cu``.

    Parameters
    ----------
    name : str
        Of the source and its function.
    form, x, w, out, check
        See `core.conv.algorithm.Run`.
    span : tuple of int
        Rows and columns of a block's sums.
    depth : int
        Places of the sum that a block multiplies at a time.
    count : int
        Blocks that share a sum.
    block : tuple of int
        Threads along columns and rows.
    macros : tuple of (str, str or int)
        What the source is specialised for, beside types, taps and the order of the sum.
    """
    check()
    xp = array_module(x)
    x, found = near(readable(x, form.dtype)), contiguous(out)
    by_channel = channels_first(form, depth)
    weights = once(w, ("gathering", by_channel), lambda: _in_order(form, w, by_channel))
    summed = found if count == 1 else xp.empty((count, *found.shape), form.dtype)
    named = types(form.dtype, x.dtype.name, summed.dtype.name)
    specialised = (*named, *order(form, depth), *macros)
    kernel = function(x, name, name, specialised)
    columns, rows, groups = blocks(form, span)
    grid = (columns, rows, min(groups * count, MOST_PLANES))
    kernel(grid, (*block, 1), (x, weights, summed, *_numbers(form, x, count)))
    if count > 1:
        found[...] = xp.sum(summed, axis=0)
    put_back(found, out)


def order(form: NormalForm, depth: int) -> Macros:
    """Return the kernel's size, and whether the sum goes through channels first, as macros."""
    taps = _three(form.kernel, 1)
    return (
        *((f"TAPS_{axis}", k) for axis, k in enumerate(taps)),
        ("CHANNELS_FIRST", int(channels_first(form, depth))),
    )


def channels_first(form: NormalForm, depth: int) -> bool:
    """Return whether the sum goes through all channels of a tap, which takes whole steps of them.

    Examples
    --------
    >>> form = NormalForm(1, 8, 8, 1, (9,), (3,), (0,), (9,), (1,), (1,), "float32")
    >>> channels_first(form, 8), channels_first(form, 16)
    (True, False)
    """
    return form.group_channels % depth == 0


def parts(form: NormalForm, span: Span, memory_cap: int | None) -> int:
    """Return how many blocks share each sum; fewer where their memory is more than the cap."""
    wanted = _ENOUGH_BLOCKS // math.prod(blocks(form, span))
    longest = form.group_channels * form.taps // _LEAST_SUM
    count = max(1, min(wanted, longest))
    if memory_cap is not None:
        left = memory_cap // form.itemsize - form.out_channels * form.group_channels * form.taps
        count = max(1, min(count, left // form.outputs))
    return count


def blocks(form: NormalForm, span: Span) -> tuple[int, int, int]:
    """Return how many there are along columns, rows and groups.

    Examples
    --------
    >>> form = NormalForm(2, 3, 8, 1, (9,), (3,), (0,), (9,), (1,), (1,), "float32")
    >>> blocks(form, (8, 16))
    (2, 1, 1)
    """
    rows, columns = span
    outputs = form.batch * math.prod(form.out)
    return -(-outputs // columns), -(-(form.out_channels // form.groups) // rows), form.groups


def near(x: Array) -> Array:
    """Return ``x``, of which no two inputs of an image are farther apart than 32 bits count."""
    steps = zip(x.shape[1:], x.strides[1:], strict=True)
    farthest = sum((n - 1) * abs(stride) for n, stride in steps) // x.itemsize
    return x if farthest < _MOST_INPUTS else array_module(x).ascontiguousarray(x)


def _in_order(form: NormalForm, w: Array, by_channel: bool) -> Array:
    # In the order of the sum.
    weights = w[(..., *(slice(None, None, -1),) * form.ndim)].reshape(*w.shape[:2], -1)
    return array_module(w).ascontiguousarray(weights.swapaxes(1, 2) if by_channel else weights)


def _numbers(form: NormalForm, x: Array, count: int) -> tuple[np.int64, ...]:
    # What the kernel takes after its arrays, in its order.
    image, channel, *steps = strides(x)
    numbers = (
        *(image, channel, *_three(tuple(steps), 0)),
        *_three(form.spatial, 1),
        *_three(form.first_input((0,) * form.ndim), 0),
        *_three(form.stride, 1),
        *_three(form.dilation, 1),
        *(form.batch, form.group_channels, form.out_channels // form.groups, form.groups),
        *(*_three(form.out, 1), count),
    )
    return tuple(map(np.int64, numbers))


def _three(lengths: Shape, missing: int) -> Shape:
    return (missing,) * (3 - len(lengths)) + lengths
