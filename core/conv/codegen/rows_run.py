"""Pictures row by row: the table of a convolution's calls, made once and filled with addresses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.arrays import Array
from core.conv.blocks import Check, cores, for_each
from core.conv.boundary import Extended
from core.conv.codegen import calls
from core.conv.codegen.calls_source import ROW
from core.conv.codegen.library import Kernel
from core.conv.codegen.memory import scratch
from core.conv.codegen.operands import stored_dtype
from core.conv.codegen.rows import Cut, Piece, supports
from core.conv.codegen.staged import PARAMETERS, Reading
from core.conv.codegen.target import host
from core.conv.normal import NormalForm, Shape

# Colours that lie side by side.
_MOST_APART = 4
_MOST_EXTENDED_BYTES = 1 << 20
# Where a call's table has what depends on where arrays are; after the output the weights.
_X, _SCRATCH, _OUT = 1, 2, 1 + len(PARAMETERS)

Family = Callable[[NormalForm, Reading, Piece, Shape], tuple[Kernel, tuple[int, ...]]]
"""``(form, reading, piece, strides of the output) -> (kernel, the arguments that follow)``.

First among those comes where the weights of the piece begin, for each array of weights, in bytes;
before them the output's address is put. They depend on nothing else.
"""


@dataclass(frozen=True)
class Layout:
    """How the numbers of an input lie; all distances in numbers.

    Attributes
    ----------
    storage : str
        Their dtype.
    apart : int
        From column to column.
    image, channel, row : int
        From one to the next.
    """

    storage: str
    apart: int
    image: int
    channel: int
    row: int


def layout_of(form: NormalForm, x: Array) -> Layout | None:
    """Return how ``x`` lies, or None where kernels cannot read it where it is."""
    if not isinstance(x, np.ndarray) or not x.flags.aligned:
        return None
    return _layout(form, stored_dtype(form, x), x.dtype, x.strides)


def reached(form: NormalForm, x: Array) -> tuple[Array, Layout | None]:
    """Return ``x``, and how it lies if kernels can read it.

    A small input that is extended is made an array: that takes less time than its many parts.
    """
    if not supports(form):
        return x, None
    if isinstance(x, Extended) and math.prod(x.shape) * x.dtype.itemsize <= _MOST_EXTENDED_BYTES:
        x = np.asarray(x)
    return x, layout_of(form, x)


def readable(form: NormalForm, x: Array) -> tuple[Layout, Array]:
    """Return ``x``, or a copy that kernels can read, and how it lies."""
    layout = layout_of(form, x)
    if layout is None:
        # A copy always: an axis of length 1 may have any stride in an array that is contiguous.
        x = np.array(x, stored_dtype(form, x), order="C")
        layout = layout_of(form, x)
        assert layout is not None
    return layout, x


@lru_cache(maxsize=1024)
def _layout(form: NormalForm, stored: str, dtype: np.dtype[Any], strides: Shape) -> Layout | None:
    if (
        not dtype.isnative
        or stored != dtype.name
        or any(stride % dtype.itemsize for stride in strides)
    ):
        return None
    image, channel, row, apart = (stride // dtype.itemsize for stride in strides)
    # Of colours side by side a kernel reads all, and picks one.
    beside = 1 < apart <= _MOST_APART and (
        (form.batch == apart and image == 1 and form.in_channels == 1)
        or (form.in_channels == apart and channel == 1)
    )
    return Layout(stored, apart, image, channel, row) if apart == 1 or beside else None


def run(
    form: NormalForm,
    x: Array,
    layout: Layout,
    weights: Sequence[Array],
    out: Array,
    family: Family,
    *,
    cut: Cut,
    check: Check,
) -> None:
    """Fill ``out``.

    Parameters
    ----------
    form, x, out, check
        See `core.conv.algorithm.Run`.
    layout : Layout
        Of ``x``.
    weights : sequence of array
        Contiguous, of the form's dtype.
    family : callable
        Its kernels.
    cut : Cut
        Its pieces.
    """
    table, size = _table(form, layout, out.strides, family, cut), cut.scratch_bytes
    added = np.zeros(ROW, np.int64)
    added[_X] = x.ctypes.data
    for column, array in enumerate((out, *weights), _OUT):
        added[column] = array.ctypes.data
    if cut.at_once:
        check()
        added[_SCRATCH] = scratch(len(table) * size)
        calls.run(table + added)
        return
    table = table + added

    def compute(row: int) -> None:
        table[row, _SCRATCH] = scratch(size)
        calls.run_alone(table[row : row + 1])

    for_each(compute, range(len(table)), check, cores())


@lru_cache(maxsize=256)
def _table(
    form: NormalForm, layout: Layout, out_strides: Shape, family: Family, cut: Cut
) -> NDArray[np.int64]:
    found = [row for piece in cut.pieces for row in _rows(form, layout, out_strides, family, piece)]
    table = calls.table(found)
    table[:, _SCRATCH] = np.arange(len(table)) * cut.scratch_bytes
    return table


def _rows(
    form: NormalForm, layout: Layout, out_strides: Shape, family: Family, piece: Piece
) -> Iterator[calls.Call]:
    # One call for all images, where colours are not side by side.
    out_image, out_channel, out_row, out_column = out_strides
    channel = piece.channel // (form.out_channels // form.groups)
    begin, end, first = _columns(form, piece)
    images = range(piece.images.start, piece.images.stop)
    beside = layout.apart > 1 and layout.image == 1 and form.batch > 1
    for image in images if beside else images[:1]:
        which = (image if beside else channel) if layout.apart > 1 else 0
        place = image * layout.image + channel * layout.channel - which
        reading = _reading(layout, form.dtype, which, end - begin)
        target = (
            image * out_image
            + piece.channel * out_channel
            + piece.rows.start * out_row
            + piece.columns.start * out_column
        )
        kernel, rest = family(form, reading, piece, out_strides)
        yield (
            kernel,
            (
                place * np.dtype(layout.storage).itemsize,
                0,
                layout.row,
                form.spatial[0],
                form.start[0] - form.reach[0] + piece.rows.start,
                begin,
                end,
                first * layout.apart,
                1 if beside else len(images),
                layout.image,
                piece.size[0],
                piece.turn,
                piece.size[1] + form.reach[1],
                target,
                *rest,
            ),
        )


def _reading(layout: Layout, dtype: str, which: int, columns: int) -> Reading:
    lanes = host().lanes(np.dtype(dtype).itemsize)
    return Reading.of(layout.storage, dtype, layout.apart, which, max(1, columns), lanes)


def _columns(form: NormalForm, piece: Piece) -> tuple[int, int, int]:
    # The columns of the scratch that have an input, and which input the first of them is.
    first = form.start[1] - form.reach[1] + piece.columns.start
    begin = max(0, -first)
    end = min(piece.size[1] + form.reach[1], form.spatial[1] - first)
    return (begin, end, first + begin) if begin < end else (0, 0, 0)
