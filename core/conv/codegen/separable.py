"""Sums of outer products, two fused passes at a time, by generated kernels."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from core.arrays import Array
from core.conv.algorithm import Cost
from core.conv.blocks import Check, block_count, cores, cut, for_each
from core.conv.codegen import passes_staged, rows, rows_run, single
from core.conv.codegen.borders import Part, fetch, inside_of, parts_of_blocks
from core.conv.codegen.library import Kernel
from core.conv.codegen.operands import REAL, parts, real_dtype, stored_dtype, three
from core.conv.codegen.passes import kernel
from core.conv.codegen.rows import Piece
from core.conv.codegen.staged import Reading
from core.conv.device import Device
from core.conv.lowrank import terms_of
from core.conv.normal import NormalForm, Shape

# What the first pass leaves for the second stays in the second-level cache.
_SCRATCH_BYTES = 1 << 17
_LEAST_TURN, _MOST_TURN = 4, 32
# A row of a block, so that a few of them are no more than that.
_MOST_COLUMNS = 1 << 12
_BLOCK_ELEMENTS = 1 << 20
_THREAD_MULTIPLY_ADDS = 1 << 22
# Python's work for a block and its edges, in array operations.
_CALLS = 45
# Bytes of a kernel whose vectors are kept for the next call.
_SMALL = 1 << 14


def supports(form: NormalForm) -> bool:
    """Return whether the kernels compute ``form``: two or three axes, no dilation."""
    return single.supports(form) and form.ndim >= 2 and max(form.dilation) == 1


def cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    """Count the multiply-adds of every pass, what is read and written, and the calls."""
    if rows.supports(form):
        return _rows_cost(form, device, memory_cap)
    size, images = blocking(form, memory_cap)
    count = block_count(form, size, images)
    _, lines, columns = three(size)
    depth, height, width = three(form.kernel)
    assert form.rank is not None
    planes = form.outputs // (lines * columns)
    span = columns + width - 1
    turn = turn_of(form, lines, span)
    passes = (
        lines
        / turn
        * (
            single.busy_seconds(form, device, height, turn, span)
            + width * single.busy_seconds(form, device, 1, turn, columns)
        )
    )
    if form.ndim == 3:
        passes += depth * single.busy_seconds(form, device, 1, lines + height - 1, span)
    busy = planes * form.rank * passes
    seconds = (
        busy * device.workers / min(count, device.workers)
        # Between the passes values move as well, inside the cache.
        + (1 + form.rank / 2) * single.moved_seconds(form, device)
        + count * _CALLS * form.out_channels * device.call
    )
    # A block's inputs, where they are copied, and on three axes what the first pass leaves.
    copies = form.in_channels + (form.rank if form.ndim == 3 else 0)
    held = images * copies * math.prod(form.span_of(size)) + form.rank * turn * span
    return Cost(seconds, held * form.itemsize * device.workers)


def run(
    form: NormalForm, x: Array, w: Array, out: Array, *, check: Check, memory_cap: int | None
) -> None:
    """Fill ``out``; the arguments are those of `core.conv.algorithm.Run`."""
    vectors = _vectors(form, w)
    x, layout = rows_run.reached(form, x)
    if layout is not None:
        how = rows.cut(form, work_of(form), form.rank or 1, memory_cap)
        rows_run.run(form, x, layout, vectors, out, _on_rows, cut=how, check=check)
        return
    filters = [_Filter(form, [axis[o] for axis in vectors]) for o in range(form.out_channels)]
    stored = stored_dtype(form, x)
    per_group = form.out_channels // form.groups

    def work(parts: tuple[Part, ...]) -> None:
        for part in parts:
            inputs, outputs = fetch(x, part, stored), out[part.outputs]
            for o, one in enumerate(filters):
                channel = o // per_group
                one.apply(inputs[:, channel : channel + 1], outputs[:, o : o + 1])

    size, images = blocking(form, memory_cap)
    todo = parts_of_blocks(form, size, images, single.least_edge(form), inside_of(x, form))
    for_each(work, todo, check, cores())


def _rows_cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    assert form.rank is not None
    how = rows.cut(form, work_of(form), form.rank, memory_cap)
    piece = how.pieces[0]
    height, width = form.kernel
    columns = piece.size[1]
    span = columns + width - 1
    turns = form.outputs / (piece.turn * columns)
    busy = (
        turns
        * form.rank
        * (
            single.busy_seconds(form, device, height, piece.turn, span)
            + width * single.busy_seconds(form, device, 1, piece.turn, columns)
        )
    )
    # Between the passes values move as well, inside the cache.
    moved = (1 + form.rank / 2) * single.moved_seconds(form, device)
    return Cost(how.seconds(busy, device) + moved, how.bytes)


def work_of(form: NormalForm) -> int:
    """Return what an output takes, in multiply-adds of the direct kernel: loads count as well."""
    return 2 * (form.rank or 1) * sum(form.kernel)


def _on_rows(
    form: NormalForm, reading: Reading, piece: Piece, out_strides: Shape
) -> tuple[Kernel, tuple[int, ...]]:
    # See `core.conv.codegen.rows_run.Family`.
    assert form.rank is not None
    (height, width), columns = form.kernel, piece.size[1]
    kernel = passes_staged.kernel(
        single.specialised(form, form.dtype, height, piece.turn, columns + width - 1),
        single.specialised(form, form.dtype, 1, piece.turn, columns),
        reading,
    )
    weights = piece.channel * form.rank * form.itemsize
    return kernel, (
        weights * height,
        weights * width,
        out_strides[0] // form.itemsize,
        form.rank,
        height,
        width,
        out_strides[2] // form.itemsize,
        columns,
    )


def _vectors(form: NormalForm, w: Array) -> list[Array]:
    # The terms' columns and rows, as correlation takes them: ``(O, rank, height or width)``. A
    # kernel of lower rank than others has terms of zeros.
    if w.nbytes > _SMALL:
        return _vectors_of(form, w)
    return _known_vectors(form, w.shape, w.tobytes())


@lru_cache(maxsize=64)
def _known_vectors(form: NormalForm, shape: Shape, w: bytes) -> list[Array]:
    return _vectors_of(form, np.frombuffer(w, form.dtype).reshape(shape))


def _vectors_of(form: NormalForm, w: Array) -> list[Array]:
    assert form.rank is not None
    found = [np.zeros((len(w), form.rank, k), form.dtype) for k in form.kernel]
    for o, one in enumerate(w):
        for t, term in enumerate(terms_of(form, one[0])):
            for axis, vectors in enumerate(found):
                vectors[o, t] = term[axis][::-1]
    return found


class _Filter:
    """One kernel's vectors, ``(rank, length)`` for each axis, as correlation takes them."""

    def __init__(self, form: NormalForm, vectors: list[Array]) -> None:
        *depths, self.columns, self.rows = vectors
        self.form, self.rank = form, len(self.rows)
        self.depths = depths[0][:, :, None, None] if depths else None
        self.along_depth = replace(
            form,
            in_channels=1,
            out_channels=self.rank,
            groups=1,
            kernel=(form.kernel[0],) + (1,) * (form.ndim - 1),
        )

    def apply(self, inputs: Array, out: Array) -> None:
        """Set ``out`` of shape ``(N, 1, *size)``; ``inputs`` has shape ``(N, 1, *span)``."""
        if self.depths is None:
            self._two_passes(inputs, out)
            return
        size = (out.shape[2], *inputs.shape[3:])
        for image in range(len(out)):
            passed = np.empty((1, self.rank, *size), self.form.dtype)
            single.correlate(self.along_depth, inputs[image : image + 1], self.depths, passed)
            # The planes are what images are to two axes, the terms their channels.
            self._two_passes(passed[0].swapaxes(0, 1), out[image].swapaxes(0, 1))

    def _two_passes(self, inputs: Array, out: Array) -> None:
        # (N, 1 or a channel for each term, *span) to (N, 1, *size), on two axes.
        form, pair = self.form, parts(self.form)
        planes, _, lines, columns = out.shape
        height, width = form.kernel[-2:]
        span = columns + width - 1
        turn = turn_of(form, lines, span)
        scratch = np.empty(self.rank * turn * span, form.dtype)
        stored = real_dtype(inputs)
        compute = kernel(
            single.specialised(form, stored, height, turn, span),
            single.specialised(form, REAL[form.dtype], 1, turn, columns),
        )
        x_item, out_item = inputs.itemsize // pair, out.itemsize // pair
        x_plane, x_term, x_row, _ = (stride // x_item for stride in inputs.strides)
        out_plane, _, out_row, _ = (stride // out_item for stride in out.strides)
        compute(
            inputs.ctypes.data,
            out.ctypes.data,
            scratch.ctypes.data,
            self.columns.ctypes.data,
            self.rows.ctypes.data,
            self.rank,
            height,
            width,
            x_term if inputs.shape[1] > 1 else 0,
            x_row,
            pair,
            planes,
            x_plane,
            out_plane,
            lines,
            out_row,
            columns * pair,
            span * pair,
            turn,
        )


def turn_of(form: NormalForm, lines: int, span: int) -> int:
    """Return the rows of the scratch: few enough for the cache, several tiles where possible."""
    fitting = _SCRATCH_BYTES // ((form.rank or 1) * span * form.itemsize)
    return min(lines, max(_LEAST_TURN, min(_MOST_TURN, fitting // _LEAST_TURN * _LEAST_TURN)))


@lru_cache(maxsize=4096)
def blocking(form: NormalForm, memory_cap: int | None) -> tuple[Shape, int]:
    """Return the shape of a block of outputs, and how many images it spans."""
    copies = form.in_channels + (form.rank or 1 if form.ndim == 3 else 0)
    most = _BLOCK_ELEMENTS
    if memory_cap is not None:
        # Half for the block itself, half for what its outputs need around it.
        most = min(most, max(1, memory_cap // (2 * cores() * form.itemsize * copies)))
    narrow = replace(form, out=(*form.out[:-1], min(form.out[-1], _MOST_COLUMNS)))
    work = form.out_channels * (form.rank or 1) * sum(form.kernel)
    return cut(narrow, most, max(1, _THREAD_MULTIPLY_ADDS // work))
