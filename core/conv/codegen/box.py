"""Box kernels, all of whose values are equal: sums that cost the same for every size.

Down the columns a running sum takes one row in and lets one out, beginning anew every few rows,
so that roundings do not add up. Along a row sums of 2, 4, 8... neighbours come from each other,
and the kernel's width is put together from them as from binary digits (the idea of M. van Herk,
"A fast algorithm for local minimum and maximum filters", 1992, with sums for lack of an inverse).
"""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from core.arrays import Array
from core.conv.algorithm import Cost
from core.conv.blocks import Check
from core.conv.codegen import rows, rows_run, single, staged
from core.conv.codegen.emit import Emitter, Integer, Kind, Value
from core.conv.codegen.library import Kernel, load
from core.conv.codegen.rows import Piece
from core.conv.codegen.staged import Reading, Stage
from core.conv.codegen.target import Target, host
from core.conv.codegen.tiles import Tile, choose
from core.conv.device import Device
from core.conv.normal import NormalForm, Shape

PARAMETERS: tuple[Kind, ...] = (*staged.PARAMETERS, *("pointer",) * 2, *("integer",) * 5)
# From this length on it pays, and a turn's roundings are fewer than those of all taps.
_LEAST = 16
# What an output takes, in multiply-adds of the direct kernel.
_WORK = 100
# A line of running sums is ``columns + 2 * width + tile.columns`` long, and a tile has at most as
# many columns as there are: twice ``columns + width - 1``, and two numbers more.
_EXTRA, _BEYOND = 2, 2


def supports(form: NormalForm) -> bool:
    """Return whether the kernels compute ``form``: real numbers, two axes, a large box."""
    return form.uniform and rows.supports(form) and max(form.kernel) >= _LEAST


def cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    """Count the additions, what is read and written, and the calls."""
    height, width = form.kernel
    how = rows.cut(form, _WORK, _EXTRA, memory_cap, beyond=_BEYOND)
    turn = how.pieces[0].turn
    # Per output: what the running sum takes; then loads and a store for every digit of the width.
    additions = 2 + height / turn + 3 * (width.bit_length() + width.bit_count())
    busy = form.outputs * additions * device.direct[form.dtype]
    return Cost(how.seconds(busy, device) + 1.5 * single.moved_seconds(form, device), how.bytes)


def run(
    form: NormalForm, x: Array, w: Array, out: Array, *, check: Check, memory_cap: int | None
) -> None:
    """Fill ``out``; the arguments are those of `core.conv.algorithm.Run`."""
    values = np.ascontiguousarray(w[:, 0, 0, 0])
    layout, x = rows_run.readable(form, x)
    how = rows.cut(form, _WORK, _EXTRA, memory_cap, beyond=_BEYOND)
    rows_run.run(form, x, layout, [values], out, _on_rows, cut=how, check=check)


def _on_rows(
    form: NormalForm, reading: Reading, piece: Piece, out_strides: Shape
) -> tuple[Kernel, tuple[int, ...]]:
    # See `core.conv.codegen.rows_run.Family`.
    (height, width), columns = form.kernel, piece.size[1]
    tile = choose(host(), form.itemsize, 1, 1, 1, columns)
    return kernel(reading, width, tile), (
        piece.channel * form.itemsize,
        out_strides[0] // form.itemsize,
        height,
        out_strides[2] // form.itemsize,
        columns,
        # Sweeps go on to the end of a tile, and read a kernel's width beyond.
        columns + 2 * width + tile.columns,
    )


@cache
def kernel(reading: Reading, width: int, tile: Tile) -> Kernel:
    """Return the compiled kernel for this machine; for its arguments see `source`."""
    return load(partial(source, reading, width, tile, host()), "box", PARAMETERS)


def source(reading: Reading, width: int, tile: Tile, target: Target) -> str:
    """Return the IR of a kernel for boxes that are ``width`` wide.

    Its arguments are `core.conv.codegen.staged.PARAMETERS`, and then

    - addresses of the output and of the box's value;
    - how far it is from one plane of the output to the next;
    - height of the box;
    - how far it is from row to row of the output, and how many columns it has (at least a tile's);
    - how far it is from line to line of the running sums, which stand in the scratch after the
      rows of a turn: one for each of its outputs' rows, and one more.

    Examples
    --------
    >>> text = source(Reading("uint8", "float32", 1, 0, 16, 4), 21, Tile(1, 8, 16), host())
    >>> "fadd" in text
    True
    """
    code = Emitter(target, "box", PARAMETERS)
    out, value, out_plane, height, out_row, columns, line_row = code.arguments[-7:]
    stage = Stage(code, reading, height)
    dtype = reading.dtype
    boxes = _Boxes(code, dtype, width, tile)
    lines = code.at(stage.scratch, dtype, code.index((stage.filled, stage.scratch_row)))
    other = code.at(lines, dtype, code.index((stage.turn, line_row)))
    with stage.turns() as (plane, row):
        boxes.columns(
            stage.scratch, lines, height, stage.scratch_row, columns, line_row, stage.turn
        )
        with code.loop(0, stage.turn) as r:
            target_row = code.index((plane, out_plane), (code.index(row, r), out_row))
            boxes.row(
                code.at(lines, dtype, code.index((r, line_row))),
                other,
                code.at(out, dtype, target_row),
                value,
                columns,
            )
    return code.finish()


class _Boxes:
    """The two passes of one turn."""

    def __init__(self, code: Emitter, dtype: str, width: int, tile: Tile) -> None:
        self.code, self.dtype = code, dtype
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
            return code.load(top, self.dtype, lanes, offset)

        with code.loop(0, span, self.tile.columns) as unclipped:
            column = code.minimum(unclipped, code.index(span, -self.tile.columns))
            top = code.at(x, self.dtype, column)
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
