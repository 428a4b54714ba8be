"""Box kernels, all of whose values are equal: sums that cost the same for every size.

Down the columns a running sum takes one row in and lets one out, beginning anew every few rows,
so that roundings do not add up. Along a row sums of 2, 4, 8... neighbours come from each other,
and the kernel's width is put together from them as from binary digits (the idea of M. van Herk,
"A fast algorithm for local minimum and maximum filters", 1992, with sums for lack of an inverse).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial

import numpy as np

from core.arrays import Array
from core.conv.algorithm import Cost
from core.conv.blocks import Check, block_count, cores, for_each
from core.conv.codegen import single
from core.conv.codegen.borders import Part, fetch, inside_of, parts_of_blocks
from core.conv.codegen.emit import Emitter, Integer, Kind, Value
from core.conv.codegen.library import load
from core.conv.codegen.operands import real_dtype, stored_dtype
from core.conv.codegen.separable import blocking, turn_of
from core.conv.codegen.target import Target, host
from core.conv.codegen.tiles import Tile, choose
from core.conv.device import Device
from core.conv.normal import NormalForm

PARAMETERS: tuple[Kind, ...] = ("pointer",) * 4 + ("integer",) * 10
# From this length on it pays, and a turn's roundings are fewer than those of all taps.
_LEAST = 16
# Python's work for a block and its edges, in array operations.
_CALLS = 35


def supports(form: NormalForm) -> bool:
    """Return whether the kernels compute ``form``: real numbers, two axes, a large box."""
    return (
        form.uniform
        and single.supports(form)
        and form.ndim == 2
        and not form.is_complex
        and max(form.dilation) == 1
        and max(form.kernel) >= _LEAST
    )


def cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    """Count the additions, what is read and written, and the calls."""
    size, images = blocking(form, memory_cap)
    count = block_count(form, size, images)
    height, width = form.kernel
    turn = turn_of(form, size[0], size[1] + width - 1)
    # Per output: what the running sum takes; then loads and a store for every digit of the width.
    additions = 2 + height / turn + 3 * (width.bit_length() + width.bit_count())
    busy = form.outputs * additions * device.direct[form.dtype]
    seconds = (
        busy * device.workers / min(count, device.workers)
        + 1.5 * single.moved_seconds(form, device)
        + count * _CALLS * form.out_channels * device.call
    )
    held = images * form.in_channels * math.prod(form.span_of(size))
    scratch = (turn + 1) * _scratch_row(form, size[1])
    return Cost(seconds, (held + scratch) * form.itemsize * device.workers)


def run(
    form: NormalForm, x: Array, w: Array, out: Array, *, check: Check, memory_cap: int | None
) -> None:
    """Fill ``out``; the arguments are those of `core.conv.algorithm.Run`."""
    values = np.ascontiguousarray(w[:, 0, 0, 0])
    stored = stored_dtype(form, x)

    def work(parts: tuple[Part, ...]) -> None:
        for part in parts:
            _sum(form, fetch(x, part, stored), values, out[part.outputs])

    size, images = blocking(form, memory_cap)
    todo = parts_of_blocks(form, size, images, single.least_edge(form), inside_of(x, form))
    for_each(work, todo, check, cores())


def _sum(form: NormalForm, inputs: Array, values: Array, out: Array) -> None:
    images, _, rows, columns = out.shape
    height, width = form.kernel
    tile = choose(host(), form.itemsize, 1, 1, 1, columns)
    compute = kernel(real_dtype(inputs), form.dtype, width, tile)
    turn, scratch_row = turn_of(form, rows, columns + width - 1), _scratch_row(form, columns)
    scratch = np.empty((turn + 1) * scratch_row, form.dtype)
    x_image, x_channel, x_row, _ = inputs.strides
    out_image, out_channel, out_row, _ = (s // out.itemsize for s in out.strides)
    per_group = form.out_channels // form.groups
    for o in range(form.out_channels):
        compute(
            inputs.ctypes.data + o // per_group * x_channel,
            out.ctypes.data + o * out_channel * out.itemsize,
            scratch.ctypes.data,
            values.ctypes.data + o * values.itemsize,
            height,
            x_row // inputs.itemsize,
            images,
            x_image // inputs.itemsize,
            out_image,
            rows,
            out_row,
            columns,
            scratch_row,
            turn,
        )


def _scratch_row(form: NormalForm, columns: int) -> int:
    # Sweeps go on to the end of a tile, and read a kernel's width beyond.
    tile = choose(host(), form.itemsize, 1, 1, 1, columns)
    return columns + 2 * form.kernel[1] + tile.columns


@cache
def kernel(storage: str, dtype: str, width: int, tile: Tile) -> Callable[..., None]:
    """Return the compiled kernel for this machine; for its arguments see `source`."""
    return load(partial(source, storage, dtype, width, tile, host()), "box", PARAMETERS)


def source(storage: str, dtype: str, width: int, tile: Tile, target: Target) -> str:
    """Return the IR of a kernel for boxes that are ``width`` wide.

    Its arguments, in this order; distances are counted in numbers:

    - addresses of the input, the output, the scratch and the box's value;
    - height of the box, and how far it is from row to row of the input;
    - number of planes, and how far it is from one to the next in input and output;
    - number of rows of a plane (at least a turn's), and how far it is in the output;
    - how many numbers are in a row of the output (at least a tile's), and of the scratch;
    - how many rows are done in one turn: the scratch has one more.

    Examples
    --------
    >>> text = source("uint8", "float32", 21, Tile(1, 8, 16), host())
    >>> "fadd" in text
    True
    """
    code = Emitter(target, "box", PARAMETERS)
    x, out, scratch, value, height, x_row, planes, x_plane, out_plane, *rest = code.arguments
    rows, out_row, columns, scratch_row, turn = rest
    boxes = _Boxes(code, storage, dtype, width, tile)
    with code.loop(0, planes) as plane, code.loop(0, rows, turn) as unclipped_row:
        row = code.minimum(unclipped_row, code.builder.sub(rows, turn))
        top = code.at(x, storage, code.index((plane, x_plane), (row, x_row)))
        boxes.columns(top, scratch, height, x_row, columns, scratch_row, turn)
        other = code.at(scratch, dtype, code.index((turn, scratch_row)))
        with code.loop(0, turn) as r:
            target_row = code.index((plane, out_plane), (code.index(row, r), out_row))
            boxes.row(
                code.at(scratch, dtype, code.index((r, scratch_row))),
                other,
                code.at(out, dtype, target_row),
                value,
                columns,
            )
    return code.finish()


class _Boxes:
    """The two passes of one turn."""

    def __init__(self, code: Emitter, storage: str, dtype: str, width: int, tile: Tile) -> None:
        self.code, self.storage, self.dtype = code, storage, dtype
        self.width, self.tile = width, tile

    def columns(
        self,
        x: Value,
        scratch: Value,
        height: Value,
        x_row: Value,
        columns: Value,
        scratch_row: Value,
        turn: Value,
    ) -> None:
        """Write the running sums down every column that the outputs need."""
        code, lanes, vectors = self.code, self.tile.lanes, range(self.tile.vectors)
        span = code.index(columns, self.width - 1)

        def read(row: Integer, v: int) -> Value:
            offset = code.index((row, x_row), v * lanes)
            return code.load(top, self.storage, lanes, offset, as_dtype=self.dtype)

        with code.loop(0, span, self.tile.columns) as unclipped:
            column = code.minimum(unclipped, code.index(span, -self.tile.columns))
            top = code.at(x, self.storage, column)
            sums = [code.constant(0, self.dtype, lanes) for _ in vectors]
            with code.loop(0, code.index(height, -1), carried=sums) as i:
                for v in vectors:
                    sums[v] = code.add(sums[v], read(i, v))
            with code.loop(0, turn, carried=sums) as r:
                for v in vectors:
                    total = code.add(sums[v], read(code.index(r, height, -1), v))
                    code.store(total, scratch, code.index((r, scratch_row), column, v * lanes))
                    sums[v] = code.sub(total, read(r, v))

    def row(self, line: Value, other: Value, out: Value, value: Value, columns: Value) -> None:
        """Sum ``width`` neighbours of a line of the scratch, which is lost, times the value."""
        code, lanes, tile = self.code, self.tile.lanes, self.tile
        highest = self.width.bit_length() - 1
        done = 0
        for digit in range(highest):
            size = 1 << digit
            if self.width & size:
                # ``other`` collects the digits so far, ``done`` neighbours.
                self._sweep(other if done else None, line, done, other, columns)
                done += size
            self._sweep(line, line, size, line, columns)
        factor = code.broadcast(value, self.dtype, lanes)
        with code.loop(0, columns, tile.columns) as unclipped:
            column = code.minimum(unclipped, code.index(columns, -tile.columns))
            for v in range(tile.vectors):
                at = code.index(column, v * lanes)
                total = code.load(line, self.dtype, lanes, code.index(at, done))
                if done:
                    total = code.add(total, code.load(other, self.dtype, lanes, at))
                code.store(code.mul(total, factor), out, at)

    def _sweep(
        self, first: Value | None, second: Value, shift: int, target: Value, columns: Value
    ) -> None:
        # target[c] = first[c] + second[c + shift]. Beyond what is needed it computes with what
        # happens to be there; that reaches no output.
        code, lanes, tile = self.code, self.tile.lanes, self.tile
        with code.loop(0, code.index(columns, self.width - 1 - shift), tile.columns) as column:
            for v in range(tile.vectors):
                at = code.index(column, v * lanes)
                total = code.load(second, self.dtype, lanes, code.index(at, shift))
                if first is not None:
                    total = code.add(code.load(first, self.dtype, lanes, at), total)
                code.store(total, target, at)
