"""Where each tile reads and writes, as the integers that the generated kernels take.

A box is ``1 + 2 * ndim`` of them, see `core.conv.codegen.fft_window.Boxes`.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from core.conv.codegen.memory import address
from core.conv.normal import NormalForm, Shape

BoxArray = np.ndarray[Any, np.dtype[np.int64]]
"""Of shape ``(boxes, 1 + 2 * ndim)``."""


@lru_cache(maxsize=64)
def input_boxes(form: NormalForm, tile: Shape, size: Shape, strides: Shape) -> BoxArray:
    """Return the inputs of all tiles of one channel, all images in turn.

    Parameters
    ----------
    form : NormalForm
        With strides of 1.
    tile, size : tuple of int
        Inputs and outputs of a tile, per convolved axis.
    strides : tuple of int
        Bytes, for the axes ``(batch, channels, *spatial)`` of the input.

    Returns
    -------
    array of shape ``(batch * tiles, 1 + 2 * ndim)``
        Read-only, for an array that starts at address 0. Addresses may lie before it: there
        nothing exists.

    Examples
    --------
    >>> form = NormalForm(1, 1, 1, 1, (9,), (3,), (0,), (11,), (1,), (1,), "float32")
    >>> input_boxes(form, (8,), (6,), (36, 36, 4))
    array([[-8,  2,  8],
           [16,  0,  5]])
    """
    origin = form.first_input((0,) * form.ndim)
    result = _grid(form, size)
    result[..., 0] += _images(form) * strides[0]
    for axis, at in enumerate(_starts(form, size)):
        first = at + origin[axis]
        low = np.clip(-first, 0, tile[axis])
        result[..., 0] += first * strides[2 + axis]
        result[..., 1 + 2 * axis] = low
        result[..., 2 + 2 * axis] = np.clip(form.spatial[axis] - first, low, tile[axis])
    return _listed(result)


@lru_cache(maxsize=64)
def output_boxes(form: NormalForm, size: Shape, strides: Shape) -> BoxArray:
    """Return the outputs of all tiles of one channel, as `input_boxes` does the inputs.

    A tile's first ``reach`` results along each axis are not wanted: wrap-around touches them.

    Examples
    --------
    >>> form = NormalForm(1, 1, 1, 1, (9,), (3,), (0,), (11,), (1,), (1,), "float32")
    >>> output_boxes(form, (6,), (44, 44, 4))
    array([[-8,  2,  8],
           [16,  2,  7]])
    """
    result = _grid(form, size)
    result[..., 0] += _images(form) * strides[0]
    for axis, at in enumerate(_starts(form, size)):
        reach = form.reach[axis]
        result[..., 0] += (at - reach) * strides[2 + axis]
        result[..., 1 + 2 * axis] = reach
        result[..., 2 + 2 * axis] = reach + np.minimum(form.out[axis] - at, size[axis])
    return _listed(result)


def boxes_of(array: np.ndarray[Any, Any], ndim: int) -> BoxArray:
    """Return a box for each of the arrays of ``ndim`` axes that ``array`` consists of.

    Parameters
    ----------
    array : array of shape ``(..., *axes)``
        Contiguous.
    ndim : int
        How many axes a box has.

    Returns
    -------
    array of shape ``(..., 1 + 2 * ndim)``

    Examples
    --------
    >>> array = np.zeros((2, 3), np.float32)
    >>> boxes_of(array, 1) - [address(array), 0, 0]
    array([[ 0,  0,  3],
           [12,  0,  3]])
    """
    lead, shape = array.shape[: array.ndim - ndim], array.shape[array.ndim - ndim :]
    result = np.zeros((*lead, 1 + 2 * ndim), np.int64)
    # Not the array's strides: along an axis of length 1 they mean nothing.
    step = math.prod(shape) * array.itemsize
    result[..., 0] = address(array) + step * np.arange(math.prod(lead)).reshape(lead)
    result[..., 2::2] = shape
    return result


def of_channels(boxes: BoxArray, array: np.ndarray[Any, Any], channels: range) -> BoxArray:
    """Return the boxes of some channels of an array, of shape ``(boxes, channels, words)``.

    Parameters
    ----------
    boxes : array of boxes
        Of one channel of an array at address 0.
    array : array of shape ``(batch, channels, *spatial)``
        Where they shall lie.
    channels : range
        Which channels.
    """
    result = np.repeat(boxes[:, None], len(channels), axis=1)
    result[..., 0] += address(array) + np.array(channels) * array.strides[1]
    return result


def evened(boxes: BoxArray, axis: int) -> BoxArray:
    """Return an even number of boxes along ``axis``, the last empty where one has to be added.

    Examples
    --------
    >>> evened(np.array([[1000, 0, 8]]), 0)
    array([[1000,    0,    8],
           [1000,    0,    0]])
    """
    if boxes.shape[axis] % 2 == 0:
        return boxes
    return np.concatenate([boxes, emptied(boxes.take([-1], axis))], axis)


def emptied(boxes: BoxArray) -> BoxArray:
    """Return boxes at the same addresses without elements."""
    result = boxes.copy()
    result[..., 1:] = 0
    return result


def interleaved(first: BoxArray, second: BoxArray) -> BoxArray:
    """Return the boxes of two lists in turn.

    Examples
    --------
    >>> interleaved(np.array([[1], [2]]), np.array([[3], [4]])).ravel()
    array([1, 3, 2, 4])
    """
    return np.stack([first, second], axis=1).reshape(-1, first.shape[1])


def _grid(form: NormalForm, size: Shape) -> BoxArray:
    counts = (-(-n // m) for n, m in zip(form.out, size, strict=True))
    return np.zeros((form.batch, *counts, 1 + 2 * form.ndim), np.int64)


def _images(form: NormalForm) -> BoxArray:
    return np.arange(form.batch).reshape(-1, *(1,) * form.ndim)


def _starts(form: NormalForm, size: Shape) -> list[BoxArray]:
    # The first output of each tile along each axis, for broadcasting over the grid.
    return [
        np.arange(0, n, m).reshape(-1, *(1,) * (form.ndim - 1 - axis))
        for axis, (n, m) in enumerate(zip(form.out, size, strict=True))
    ]


def _listed(grid: BoxArray) -> BoxArray:
    result = grid.reshape(-1, grid.shape[-1])
    result.flags.writeable = False
    return result
