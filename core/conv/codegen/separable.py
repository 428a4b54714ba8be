"""Sums of outer products, two fused passes at a time, by generated kernels."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from core.arrays import Array
from core.conv.algorithm import Cost
from core.conv.blocks import Check, block_count, cores, cut, for_each
from core.conv.codegen import single
from core.conv.codegen.borders import Part, fetch, inside_of, parts_of_blocks
from core.conv.codegen.operands import REAL, parts, real_dtype, stored_dtype, three
from core.conv.codegen.passes import kernel
from core.conv.device import Device
from core.conv.lowrank import Term, terms_of
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


def supports(form: NormalForm) -> bool:
    """Return whether the kernels compute ``form``: two or three axes, no dilation."""
    return single.supports(form) and form.ndim >= 2 and max(form.dilation) == 1


def cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    """Count the multiply-adds of every pass, what is read and written, and the calls."""
    size, images = blocking(form, memory_cap)
    count = block_count(form, size, images)
    _, rows, columns = three(size)
    depth, height, width = three(form.kernel)
    assert form.rank is not None
    planes = form.outputs // (rows * columns)
    span = columns + width - 1
    turn = turn_of(form, rows, span)
    passes = (
        rows
        / turn
        * (
            single.busy_seconds(form, device, height, turn, span)
            + width * single.busy_seconds(form, device, 1, turn, columns)
        )
    )
    if form.ndim == 3:
        passes += depth * single.busy_seconds(form, device, 1, rows + height - 1, span)
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
    filters = [_Filter(form, terms_of(form, one[0])) for one in w]
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


class _Filter:
    """One kernel's vectors, as correlation takes them."""

    def __init__(self, form: NormalForm, terms: tuple[Term, ...]) -> None:
        self.form, self.rank = form, len(terms)
        *depths, columns, rows = (
            np.stack([np.ascontiguousarray(term[axis][::-1]) for term in terms])
            for axis in range(form.ndim)
        )
        self.columns, self.rows = columns, rows
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
        planes, _, rows, columns = out.shape
        height, width = form.kernel[-2:]
        span = columns + width - 1
        turn = turn_of(form, rows, span)
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
            rows,
            out_row,
            columns * pair,
            span * pair,
            turn,
        )


def turn_of(form: NormalForm, rows: int, span: int) -> int:
    """Return the rows of the scratch: few enough for the cache, several tiles where possible."""
    fitting = _SCRATCH_BYTES // ((form.rank or 1) * span * form.itemsize)
    return min(rows, max(_LEAST_TURN, min(_MOST_TURN, fitting // _LEAST_TURN * _LEAST_TURN)))


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
