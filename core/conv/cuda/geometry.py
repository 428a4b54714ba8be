"""Planes of outputs, cut into tiles for blocks of threads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.arrays import Array
from core.conv.cuda.modules import Macros
from core.conv.normal import NormalForm

NUMBERS = ("float32", "float64", "int64")
"""What kernels compute in."""

SHARED_BYTES = 48 << 10
"""What every device has for a block without being asked."""

VECTOR_BYTES = 16
"""What a thread reads from memory at once."""

MOST_PLANES = 65535
"""The second and third axis of a grid are no longer; its blocks go on with what is left."""

Shapes = tuple[tuple[tuple[int, int], int], ...]


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


def whole_vectors(count: int, itemsize: int) -> int:
    """Return the least multiple of what threads read at once, sixteen bytes, from ``count`` on.

    Examples
    --------
    >>> whole_vectors(9, 4), whole_vectors(9, 8)
    (12, 10)
    """
    length = VECTOR_BYTES // itemsize
    return -(-count // length) * length


def pitch(columns: int, itemsize: int) -> int:
    """Return the distance of a tile's rows in shared memory: an odd number of vectors.

    Rows begin with a vector, and the vectors of a column lie in different banks.

    Examples
    --------
    >>> pitch(130, 4), pitch(128, 4)
    (132, 132)
    """
    return whole_vectors(columns, itemsize) | VECTOR_BYTES // itemsize


def tiles_of(form: NormalForm, shapes: Shapes) -> list[Tile]:
    """Return tiles whose threads have as many columns as they read from shared memory at once.

    Parameters
    ----------
    form : NormalForm
        The problem.
    shapes : tuple of (tuple of int, int)
        Threads of a block along columns and rows, and the rows of each.
    """
    return [Tile(block, VECTOR_BYTES // form.itemsize, rows) for block, rows in shapes]


def grid(form: NormalForm, tile: Tile) -> tuple[int, int, int]:
    """Return how many blocks there are along columns, rows and planes.

    Examples
    --------
    >>> form = NormalForm(
    ...     1, 1, 1, 1, (100, 100), (3, 3), (1, 1), (100, 100), (1, 1), (1, 1), "float32"
    ... )
    >>> grid(form, Tile((32, 8), 2, 4))
    (2, 4, 1)
    """
    (rows, columns), (span_y, span_x) = two(form.out), tile.span
    planes = min(form.batch * form.out_channels, MOST_PLANES)
    return -(-columns // span_x), -(-rows // span_y), planes


def fits(form: NormalForm, tile: Tile) -> bool:
    """Return whether a grid is as tall as ``form`` is in such tiles.

    Examples
    --------
    >>> tall = NormalForm(
    ...     1, 1, 1, 1, (1 << 22, 3), (3, 3), (1, 1), (1 << 22, 3), (1, 1), (1, 1), "float32"
    ... )
    >>> fits(tall, Tile((32, 8), 4, 4)), fits(tall, Tile((32, 8), 4, 16))
    (False, True)
    """
    return grid(form, tile)[1] <= MOST_PLANES


def macros(form: NormalForm, tile: Tile, x: Array) -> Macros:
    """Return what kernels with such tiles are specialised for: sizes, and how ``x`` lies."""
    height, width = two(form.kernel)
    return (
        ("HEIGHT", height),
        ("WIDTH", width),
        ("ROWS", tile.rows),
        ("COLUMNS", tile.columns),
        ("BLOCK_X", tile.block[0]),
        ("BLOCK_Y", tile.block[1]),
        ("NEIGHBOURS", int(x.strides[-1] == x.itemsize)),
    )


def arguments(form: NormalForm, x: Array) -> tuple[np.int64, ...]:
    """Return what kernels on planes take after their arrays.

    Parameters
    ----------
    form : NormalForm
        The problem.
    x : array of shape ``(batch, channels, *spatial)``
        The input, of which the strides are passed.
    """
    image, channel, *lines = strides(x)
    first = form.first_input((0,) * form.ndim)
    numbers = (
        *(image, channel, *two(tuple(lines), 0)),
        *two(form.spatial),
        *two(first, 0),
        *(form.batch, form.out_channels, form.out_channels // form.groups),
        *two(form.out),
    )
    return tuple(map(np.int64, numbers))


def strides(x: Array) -> tuple[int, ...]:
    """Return how far neighbours along each axis lie apart, in numbers and not in bytes.

    Examples
    --------
    >>> strides(np.ones((3, 5)))
    (5, 1)
    """
    return tuple(stride // x.itemsize for stride in x.strides)


def two(lengths: tuple[int, ...], missing: int = 1) -> tuple[int, int]:
    """Return lengths along rows and columns; a line is a picture with one row.

    Examples
    --------
    >>> two((5,)), two((3, 5))
    ((1, 5), (3, 5))
    """
    rows, columns = lengths if len(lengths) == 2 else (missing, *lengths)
    return rows, columns
