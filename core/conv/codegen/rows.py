"""Pictures row by row: into which pieces work is cut, for kernels that bring rows to the cache.

See `core.conv.codegen.staged` for what happens inside a piece, and `core.conv.codegen.rows_run`
for how all of them are computed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from core.conv.blocks import cores
from core.conv.codegen.memory import LINE_BYTES
from core.conv.device import Device
from core.conv.normal import NormalForm

# Less is not worth a call of its own: about 10 us.
_LEAST_WORK = 1 << 20
# About 1 ms of a core: work that large is asked whether to stop.
_MOST_WORK = 1 << 27
# More pieces than cores: one of these may be late.
_PIECES_PER_CORE = 3
# Up to here all calls are made in one go, which a cancel cannot interrupt.
_SHORT_WORK = 1 << 28
# Rows on their way stay in the second-level cache, and are as many as are worth a turn.
_SCRATCH_BYTES, _LEAST_COLUMNS, _MOST_COLUMNS = 1 << 17, 1 << 8, 1 << 12
# Of tall kernels they are more, in fewer columns.
_MOST_SCRATCH_BYTES = 1 << 20
_LEAST_TURN, _MOST_TURN = 8, 32
# Python's work around all calls, in array operations.
_CALLS = 12
# What comes from a near cache comes as many times as fast as from memory.
_NEARER = 4


class Piece(NamedTuple):
    """Outputs that one call fills.

    Attributes
    ----------
    images : slice
        Of the batch.
    channel : int
        Of the output.
    rows, columns : slice
        Of its pictures.
    turn : int
        Rows that are done in one turn.
    """

    images: slice
    channel: int
    rows: slice
    columns: slice
    turn: int

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of a picture's part."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start


def supports(form: NormalForm) -> bool:
    """Return whether pictures of ``form`` can be read so: two axes, real, no sum, no steps."""
    return (
        form.ndim == 2
        and form.group_channels == 1
        and not form.is_complex
        and max(*form.stride, *form.dilation) == 1
    )


@dataclass(frozen=True, eq=False)
class Cut:
    """How work is cut; the same work is cut into the same object.

    Attributes
    ----------
    pieces : tuple of Piece
        What to compute in one call each, the largest first.
    at_once : bool
        Whether to make all calls in one go.
    scratch_bytes : int
        Of one piece.
    brought_bytes : float
        What all pieces bring to the cache; of rows that two turns need, twice.
    """

    pieces: tuple[Piece, ...]
    at_once: bool
    scratch_bytes: int
    brought_bytes: float

    @property
    def bytes(self) -> int:
        """What all scratches take that are in use at a time."""
        count = len(self.pieces)
        return self.scratch_bytes * (count if self.at_once else min(count, cores()))

    def seconds(self, busy: float, device: Device) -> float:
        """Return the time of work whose kernels take ``busy`` seconds of all cores."""
        idle = device.workers / min(len(self.pieces), device.workers)
        brought = self.brought_bytes * device.copy / (_NEARER * device.workers)
        return (busy + brought) * idle + _CALLS * device.call


@lru_cache(maxsize=4096)
def cut(form: NormalForm, work: int, extra: int, memory_cap: int | None, *, beyond: int = 0) -> Cut:
    """Cut the outputs of ``form`` into pieces.

    Parameters
    ----------
    form : NormalForm
        One that is supported.
    work : int
        Multiply-adds, or what takes as long, for an output.
    extra : int
        What the kernel needs in the scratch besides a turn's inputs: so many rows for each row of
        a turn, and for one more.
    memory_cap : int or None
        Bytes that all scratches may take together; where that is too little, they take the least.
    beyond : int
        How many numbers more the kernel needs for each row of a turn, and for one more.

    Examples
    --------
    >>> form = NormalForm(1, 1, 1, 1, (9, 9), (3, 3), (1, 1), (9, 9), (1, 1), (1, 1), "float32")
    >>> [piece.size for piece in cut(form, 9, 0, None).pieces]
    [(9, 9)]
    """
    columns, at_once = _MOST_COLUMNS, form.outputs * work <= _SHORT_WORK
    while True:
        pieces = _pieces(form, work, columns)
        size = _scratch_bytes(form, pieces[0], extra, beyond)
        turn, (_, width) = pieces[0].turn, pieces[0].size
        shares = (turn + form.reach[0]) / turn, (width + form.reach[1]) / width
        brought = form.outputs * math.prod(shares) * form.itemsize
        near = size <= _MOST_SCRATCH_BYTES or columns <= _LEAST_COLUMNS
        for found in (Cut(pieces, at_once, size, brought), Cut(pieces, False, size, brought)):
            if near and (memory_cap is None or found.bytes <= memory_cap):
                return found
        if columns <= _LEAST_COLUMNS:
            return found
        columns //= 2


def _scratch_bytes(form: NormalForm, piece: Piece, extra: int, beyond: int) -> int:
    columns = piece.size[1] + form.reach[1]
    numbers = (piece.turn + form.reach[0]) * columns
    numbers += (piece.turn + 1) * (extra * columns + beyond)
    return -(-numbers * form.itemsize // LINE_BYTES) * LINE_BYTES


def _pieces(form: NormalForm, work: int, most_columns: int) -> tuple[Piece, ...]:
    total = form.outputs * work
    wanted = max(min(_PIECES_PER_CORE * cores(), total // _LEAST_WORK), total // _MOST_WORK, 1)
    columns = _cuts(form.out[1], -(-form.out[1] // most_columns), 1)
    wanted = -(-wanted // (form.out_channels * len(columns)))
    images = _cuts(form.batch, min(wanted, form.batch), 1)
    span = (min(form.out[1], most_columns) + form.reach[1]) * form.itemsize
    turn = min(_MOST_TURN, _SCRATCH_BYTES // span - form.reach[0])
    # Of a tall kernel's rows, at most half are brought again for the next turn.
    turn = -(-max(turn, form.reach[0], 1) // _LEAST_TURN) * _LEAST_TURN
    rows = _cuts(form.out[0], -(-wanted // len(images)), _LEAST_TURN)
    return tuple(
        Piece(some, channel, row, column, min(turn, row.stop - row.start))
        for some in images
        for channel in range(form.out_channels)
        for row in rows
        for column in columns
    )


def _cuts(length: int, count: int, unit: int) -> list[slice]:
    # At most ``count`` slices of multiples of ``unit``; no later one is longer than the first.
    step = -(-length // (count * unit)) * unit
    return [slice(first, min(first + step, length)) for first in range(0, length, step)]
