"""Direct convolution without a sum over channels, by generated kernels."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from core.arrays import Array
from core.conv.algorithm import Cost
from core.conv.blocks import Check, block_count, cores, cut, for_each
from core.conv.codegen import direct_staged, rows, rows_run
from core.conv.codegen.borders import Part, fetch, inside_of, parts_of_blocks
from core.conv.codegen.direct import Spec, kernel, specialise
from core.conv.codegen.library import Kernel
from core.conv.codegen.operands import (
    REAL,
    parts,
    real_dtype,
    reversed_kernels,
    stored_dtype,
    three,
    with_missing,
)
from core.conv.codegen.rows import Piece
from core.conv.codegen.staged import Reading
from core.conv.codegen.target import host
from core.conv.codegen.tiles import cycles
from core.conv.device import Device
from core.conv.normal import NormalForm, Shape

# A block is about a millisecond of work, beside which Python's share is small.
_BLOCK_ELEMENTS = 1 << 20
_BLOCK_MULTIPLY_ADDS = 1 << 27
# Less work than this is done before another thread is awake, which takes about 0.1 ms.
_THREAD_MULTIPLY_ADDS = 3 << 22
# Lines of more outputs are not worth the way of their rows through a scratch.
_LONG = 1 << 20
# Python's work for a block and its edges, in array operations.
_CALLS = 20


def supports(form: NormalForm) -> bool:
    """Return whether the kernels compute ``form``: one to three axes, no sum, no stride."""
    return (
        form.ndim <= 3 and form.group_channels == 1 and max(form.stride) == 1 and form.dtype in REAL
    )


def cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    """Count the multiply-adds of the tiles, what is read and written, and the calls."""
    form = _pictured(form)
    if rows.supports(form):
        return _rows_cost(form, device, memory_cap)
    size, images = _blocking(form, memory_cap)
    count = block_count(form, size, images)
    _, lines, columns = three(size)
    depth, height, width = three(form.kernel)
    planes = form.outputs // (lines * columns)
    busy = planes * depth * width * busy_seconds(form, device, height, lines, columns)
    seconds = (
        # Fewer blocks than cores leave some idle.
        busy * device.workers / min(count, device.workers)
        + moved_seconds(form, device)
        + count * _CALLS * form.out_channels * device.call
    )
    # A block's inputs are copied where they are not as kernels read them.
    copied = images * form.in_channels * math.prod(form.span_of(size)) * form.itemsize
    return Cost(seconds, copied * device.workers)


def _rows_cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    cut, (height, width) = rows.cut(form, form.taps, 0, memory_cap), form.kernel
    piece = cut.pieces[0]
    turns = form.outputs / (piece.turn * piece.size[1])
    busy = turns * width * busy_seconds(form, device, height, piece.turn, piece.size[1])
    return Cost(cut.seconds(busy, device) + moved_seconds(form, device), cut.bytes)


def busy_seconds(form: NormalForm, device: Device, height: int, rows: int, columns: int) -> float:
    """Return the time that one column of taps takes on a plane of outputs."""
    spec = specialised(form, REAL[form.dtype], height, rows, columns)
    # Per lane as many multiply-adds as could begin meanwhile.
    lanes = host().lanes(form.itemsize // parts(form))
    busy = cycles(spec.tile, parts(form), height, rows, columns * parts(form))
    return busy * lanes * device.direct[REAL[form.dtype]]


def moved_seconds(form: NormalForm, device: Device) -> float:
    """Return the time that inputs and outputs take from and to memory, with all cores."""
    inputs = form.batch * form.in_channels * math.prod(form.spatial)
    return (inputs + form.outputs) * form.itemsize * device.copy / device.workers


def run(
    form: NormalForm, x: Array, w: Array, out: Array, *, check: Check, memory_cap: int | None
) -> None:
    """Fill ``out``; the arguments are those of `core.conv.algorithm.Run`."""
    pictured = _pictured(form)
    if pictured.ndim > form.ndim:
        x = np.asarray(x)
        form, x, w, out = pictured, x[:, :, None], w[:, :, None], out[:, :, None]
    weights = reversed_kernels(form, w)
    x, layout = rows_run.reached(form, x)
    if layout is not None:
        how = rows.cut(form, form.taps, 0, memory_cap)
        rows_run.run(form, x, layout, [weights], out, _on_rows, cut=how, check=check)
        return
    stored = stored_dtype(form, x)

    def work(parts: tuple[Part, ...]) -> None:
        for part in parts:
            correlate(form, fetch(x, part, stored), weights, out[part.outputs])

    size, images = _blocking(form, memory_cap)
    todo = parts_of_blocks(form, size, images, least_edge(form), inside_of(x, form))
    for_each(work, todo, check, cores())


@lru_cache(maxsize=4096)
def _pictured(form: NormalForm) -> NormalForm:
    # Short lines are pictures with one row, which need no calls for their edges.
    if form.ndim > 1 or form.outputs > _LONG:
        return form
    picture = replace(
        form,
        spatial=(1, *form.spatial),
        kernel=(1, *form.kernel),
        start=(0, *form.start),
        out=(1, *form.out),
        stride=(1, *form.stride),
        dilation=(1, *form.dilation),
    )
    return picture if rows.supports(picture) else form


def _on_rows(
    form: NormalForm, reading: Reading, piece: Piece, out_strides: Shape
) -> tuple[Kernel, tuple[int, ...]]:
    # See `core.conv.codegen.rows_run.Family`.
    height, width = form.kernel
    columns = piece.size[1]
    spec = specialised(form, form.dtype, height, piece.turn, columns)
    return direct_staged.kernel(spec, reading), (
        piece.channel * form.taps * form.itemsize,
        out_strides[0] // form.itemsize,
        height,
        width,
        out_strides[2] // form.itemsize,
        columns,
    )


def correlate(form: NormalForm, inputs: Array, weights: Array, out: Array) -> None:
    """Set ``out`` to the correlation of ``inputs`` with ``weights``, all of it inside.

    Parameters
    ----------
    form : NormalForm
        Its dtype, groups, kernel and dilation count.
    inputs : array of shape ``(N, C, *span)``
        Of a dtype that kernels read; its last axis is contiguous.
    weights : array of shape ``(O, *kernel)``
        Of the form's dtype, contiguous.
    out : array of shape ``(N, O, *size)``
        Of the form's dtype; its last axis is contiguous.
    """
    x, y, weight = inputs.ctypes.data, out.ctypes.data, weights.ctypes.data
    calls = _calls(form, real_dtype(inputs), inputs.strides, out.shape, out.strides)
    for compute, x_offset, out_offset, weight_offset, arguments in calls:
        compute(x + x_offset, y + out_offset, weight + weight_offset, *arguments)


class _Call(NamedTuple):
    # One call of a kernel: what it adds to the addresses, in bytes, and its other arguments.
    compute: Kernel
    x_offset: int
    out_offset: int
    weight_offset: int
    arguments: tuple[int, ...]


@lru_cache(maxsize=4096)
def _calls(
    form: NormalForm, stored: str, x_strides: Shape, out_shape: Shape, out_strides: Shape
) -> tuple[_Call, ...]:
    pair, taps = parts(form), three(form.kernel)
    d_depth, d_row, d_column = three(form.dilation)
    missing = 3 - form.ndim
    x_image, x_channel, x_depth, x_row, _ = with_missing(x_strides, missing, 0)
    out_image, out_channel, out_depth, out_row, _ = with_missing(out_strides, missing, 0)
    images, _, depths, rows, columns = with_missing(out_shape, missing, 1)
    x_item, out_item = np.dtype(stored).itemsize, form.itemsize // pair
    # A kernel takes one sequence of planes: the images, or an image's depths.
    planes, x_plane, out_plane = images, x_image, out_image
    if form.ndim == 3:
        planes, x_plane, out_plane = depths, x_depth, out_depth
    per_group = form.out_channels // form.groups
    calls = []
    # Rows that a dilated kernel relates lie ``d_row`` apart: each residue is an image of its own.
    for residue in range(min(d_row, rows)):
        count = -(-(rows - residue) // d_row)
        compute = kernel(specialised(form, stored, taps[1], count, columns))
        arguments = (
            *taps,
            x_depth // x_item * d_depth,
            x_row // x_item * d_row,
            d_column * pair,
            planes,
            x_plane // x_item,
            out_plane // out_item,
            count,
            out_row // out_item * d_row,
            columns * pair,
        )
        for image in range(images if form.ndim == 3 else 1):
            for o in range(form.out_channels):
                x_offset = image * x_image + o // per_group * x_channel + residue * x_row
                out_offset = image * out_image + o * out_channel + residue * out_row
                weight_offset = o * form.taps * form.itemsize
                calls.append(_Call(compute, x_offset, out_offset, weight_offset, arguments))
    return tuple(calls)


@lru_cache(maxsize=4096)
def least_edge(form: NormalForm) -> Shape:
    """Return the least size of an edge: a tile, so that the inner part's kernel computes it."""
    _, rows, columns = three(form.out)
    tile = specialised(form, REAL[form.dtype], three(form.kernel)[1], rows, columns).tile
    return (1, tile.rows, tile.columns // parts(form))[3 - form.ndim :]


def specialised(form: NormalForm, stored: str, height: int, rows: int, columns: int) -> Spec:
    """Return the fastest kernel for a plane of outputs, from inputs that are ``stored`` so."""
    return specialise(
        host(),
        stored,
        REAL[form.dtype],
        pairs=form.is_complex,
        height=height,
        rows=rows,
        columns=columns * parts(form),
    )


@lru_cache(maxsize=4096)
def _blocking(form: NormalForm, memory_cap: int | None) -> tuple[Shape, int]:
    work = form.out_channels * form.taps
    most = min(_BLOCK_ELEMENTS, max(1, _BLOCK_MULTIPLY_ADDS // work))
    if memory_cap is not None:
        # Half for the block itself, half for what its outputs need around it.
        most = min(most, max(1, memory_cap // (2 * cores() * form.itemsize * form.in_channels)))
    return cut(form, most, max(1, _THREAD_MULTIPLY_ADDS // work))
