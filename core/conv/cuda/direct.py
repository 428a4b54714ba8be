"""Direct convolution without a sum over channels, on a GPU."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.arrays import Array, array_module
from core.conv.algorithm import Cost
from core.conv.blocks import Check
from core.conv.cuda.modules import C_NAMES, Macros, function
from core.conv.device import Device
from core.conv.normal import NormalForm

_NUMBERS = ("float32", "float64", "int64")
# What every device has for a block without being asked; what is left after the weights.
_SHARED_BYTES = 48 << 10
# Taps from which on a transform is faster on every device, and the code becomes long.
_MOST_TAPS = 31 * 31
# The third axis of a grid is no longer; its blocks go on with the planes that are left.
_MOST_PLANES = 65535


@dataclass(frozen=True)
class Tile:
    """The outputs of a block of threads, and of each of these.

    Parameters
    ----------
    block : tuple of int
        Threads along columns and rows.
    columns, rows : int
        Outputs of a thread.

    Examples
    --------
    >>> Tile((32, 8), 2, 4).span
    (32, 64)
    """

    block: tuple[int, int]
    columns: int
    rows: int

    @property
    def span(self) -> tuple[int, int]:
        """Rows and columns of a block's outputs."""
        return self.block[1] * self.rows, self.block[0] * self.columns

    def shared_bytes(self, height: int, width: int, itemsize: int) -> int:
        """Return how much shared memory the inputs of a block and the weights take."""
        rows, columns = self.span
        return ((rows + height - 1) * (columns + width - 1) + height * width) * itemsize


# Of a picture, and of a single line; the largest that fits is taken.
_TILES = (Tile((32, 8), 2, 4), Tile((32, 8), 1, 4), Tile((32, 8), 1, 2), Tile((32, 8), 1, 1))
_LINES = (Tile((256, 1), 4, 1), Tile((256, 1), 1, 1))


def supports(form: NormalForm) -> bool:
    """Return whether the kernel computes ``form``: one or two axes, no sum, no steps, few taps."""
    return (
        form.ndim <= 2
        and form.group_channels == 1
        and max(form.stride) == max(form.dilation) == 1
        and form.dtype in _NUMBERS
        and form.taps <= _MOST_TAPS
        and _tile(form) is not None
    )


def cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    """Take the longer of the arithmetic and of reading and writing once."""
    inputs = form.batch * form.in_channels * math.prod(form.spatial)
    moved = (inputs + form.outputs) * form.itemsize * device.copy
    return Cost(max(moved, form.multiply_adds * device.direct[form.dtype]) + device.call, 0)


def run(
    form: NormalForm, x: Array, w: Array, out: Array, *, check: Check, memory_cap: int | None
) -> None:
    """Fill ``out``; the arguments are those of `core.conv.algorithm.Run`."""
    check()
    xp = array_module(x)
    if x.dtype.name not in C_NAMES:
        x = x.astype(form.dtype)
    reverse = (slice(None, None, -1),) * form.ndim
    weights = xp.ascontiguousarray(w[(slice(None), 0, *reverse)])
    found = out if out.flags.c_contiguous else xp.empty(out.shape, out.dtype)
    grid, tile, macros = launch(form, x.dtype.name)
    function(x, "direct", macros)(
        grid, (*tile.block, 1), (x, weights, found, *arguments(form, x.strides, x.itemsize))
    )
    if found is not out:
        out[...] = found


@lru_cache(maxsize=1024)
def launch(form: NormalForm, stored: str) -> tuple[tuple[int, int, int], Tile, Macros]:
    """Return the grid, the tile of each of its blocks, and what the source is compiled for.

    Examples
    --------
    >>> form = NormalForm(
    ...     1, 1, 1, 1, (100, 100), (3, 3), (1, 1), (100, 100), (1, 1), (1, 1), "float32"
    ... )
    >>> grid, tile, macros = launch(form, "uint8")
    >>> grid, tile.span, dict(macros)["STORED"]
    ((2, 4, 1), (32, 64), 'unsigned char')
    """
    tile = _tile(form)
    assert tile is not None
    (height, width), (rows, columns) = _two(form.kernel), _two(form.out)
    grid = (
        -(-columns // tile.span[1]),
        -(-rows // tile.span[0]),
        min(form.batch * form.out_channels, _MOST_PLANES),
    )
    macros: Macros = (
        ("STORED", C_NAMES[stored]),
        ("NUMBER", C_NAMES[form.dtype]),
        ("HEIGHT", height),
        ("WIDTH", width),
        ("ROWS", tile.rows),
        ("COLUMNS", tile.columns),
        ("BLOCK_X", tile.block[0]),
        ("BLOCK_Y", tile.block[1]),
    )
    return grid, tile, macros


def arguments(form: NormalForm, strides: tuple[int, ...], itemsize: int) -> tuple[np.int64, ...]:
    """Return what the kernel takes after its arrays.

    Parameters
    ----------
    form : NormalForm
        The problem.
    strides : tuple of int
        Bytes, for the axes ``(batch, channels, *spatial)`` of the input.
    itemsize : int
        Of the input.
    """
    image, channel, *lines = (stride // itemsize for stride in strides)
    first = form.first_input((0,) * form.ndim)
    numbers = (
        *(image, channel, *_two(tuple(lines), 0)),
        *_two(form.spatial),
        *_two(first, 0),
        *(form.batch, form.out_channels, form.out_channels // form.groups),
        *_two(form.out),
    )
    return tuple(map(np.int64, numbers))


def _tile(form: NormalForm) -> Tile | None:
    height, width = _two(form.kernel)
    every = _TILES if form.ndim == 2 else _LINES
    fitting = (t for t in every if t.shared_bytes(height, width, form.itemsize) <= _SHARED_BYTES)
    return next(fitting, None)


def _two(lengths: tuple[int, ...], missing: int = 1) -> tuple[int, int]:
    # A line is a picture with one row.
    rows, columns = lengths if len(lengths) == 2 else (missing, *lengths)
    return rows, columns
