"""Where each tile reads and writes, as the integers that the generated kernels take."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from core.conv.codegen.fft_tile import words
from core.conv.normal import NormalForm, Shape

Words = np.ndarray[Any, np.dtype[np.int64]]
"""Tiles, `core.conv.codegen.fft_tile.words` integers each."""


@lru_cache(maxsize=64)
def layout(
    form: NormalForm, tile: Shape, size: Shape, x_strides: Shape, out_strides: Shape
) -> Words:
    """Describe the tiles of one channel, all images in turn, for arrays that start at address 0.

    Parameters
    ----------
    form : NormalForm
        With strides of 1.
    tile, size : tuple of int
        Inputs and outputs of a tile, per convolved axis.
    x_strides, out_strides : tuple of int
        Bytes, for the axes ``(batch, channels, *spatial)``.

    Returns
    -------
    array of shape ``(batch * tiles, words)``
        Read-only. Input addresses may lie before the array: there nothing exists.

    Examples
    --------
    >>> form = NormalForm(1, 1, 1, 1, (9,), (3,), (0,), (11,), (1,), (1,), "float32")
    >>> layout(form, (8,), (6,), (36, 36, 4), (44, 44, 4))
    array([[-8,  0,  2,  8,  6],
           [16, 24,  0,  5,  5]])
    """
    starts = [np.arange(0, n, m) for n, m in zip(form.out, size, strict=True)]
    shape = (form.batch, *map(len, starts))
    result = np.zeros((*shape, words(form.ndim)), np.int64)
    images = np.arange(form.batch).reshape(-1, *(1,) * form.ndim)
    result[..., 0] = images * x_strides[0]
    result[..., 1] = images * out_strides[0]
    origin = form.first_input((0,) * form.ndim)
    for axis, at in enumerate(starts):
        at = at.reshape(-1, *(1,) * (form.ndim - 1 - axis))
        first = at + origin[axis]
        result[..., 0] += first * x_strides[2 + axis]
        result[..., 1] += at * out_strides[2 + axis]
        low = np.clip(-first, 0, tile[axis])
        result[..., 2 + 3 * axis] = low
        result[..., 3 + 3 * axis] = np.clip(form.spatial[axis] - first, low, tile[axis])
        result[..., 4 + 3 * axis] = np.minimum(form.out[axis] - at, size[axis])
    result = result.reshape(-1, words(form.ndim))
    result.flags.writeable = False
    return result


def placed(tiles: Words, x_address: int, out_address: int, multiple: int) -> Words:
    """Return ``tiles`` for arrays at these addresses, empty ones added up to a whole multiple."""
    count = -(-len(tiles) // multiple) * multiple
    result = np.zeros((count, tiles.shape[1]), np.int64)
    result[: len(tiles)] = tiles
    result[: len(tiles), 0] += x_address
    result[: len(tiles), 1] += out_address
    return result


def whole_tile(tile: Shape, size: Shape, x_address: int, out_address: int) -> list[int]:
    """Return the integers of a tile all of whose inputs exist.

    Examples
    --------
    >>> whole_tile((8,), (6,), 1000, 2000)
    [1000, 2000, 0, 8, 6]
    """
    limits = ((0, t, m) for t, m in zip(tile, size, strict=True))
    return [x_address, out_address, *(limit for axis in limits for limit in axis)]
