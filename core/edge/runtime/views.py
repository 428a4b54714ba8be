"""Tensors of a plan as views of the arena, channels first.

In the arena the channels of a pixel lie side by side, pixels ``pixel`` numbers apart and rows
``row``; around a tensor there may be a border that other steps read.
"""

import sys
from typing import Any

import numpy as np

FLOAT = 4


def aligned(count: int, boundary: int = 64) -> "np.ndarray[Any, Any]":
    """Return ``count`` zeros of float32 that begin at a multiple of ``boundary`` bytes.

    Examples
    --------
    >>> aligned(3).ctypes.data % 64
    0
    """
    room = np.zeros(count + boundary // FLOAT, np.float32)
    first = -room.ctypes.data % boundary // FLOAT
    return room[first : first + count]


def strided(
    array: "np.ndarray[Any, Any]", shape: "tuple[int, ...]", strides: "tuple[int, ...]"
) -> "np.ndarray[Any, Any]":
    """Return a view of an array's memory; what is no array of NumPy is one of CuPy."""
    xp = np if type(array) is np.ndarray else sys.modules["cupy"]  # type: Any
    return xp.lib.stride_tricks.as_strided(array, shape, strides)  # type: ignore[no-any-return]


def view(arena: "np.ndarray[Any, Any]", tensor: "dict[str, Any]") -> "np.ndarray[Any, Any]":
    """Return a tensor of the arena, of the shape ``(channels, rows, columns)``.

    Examples
    --------
    >>> arena = np.arange(12, dtype=np.float32)
    >>> view(arena, {"at": 0, "shape": [2, 2, 3], "pixel": 2, "row": 6})[1]
    array([[ 1.,  3.,  5.],
           [ 7.,  9., 11.]], dtype=float32)
    """
    strides = (FLOAT, tensor["row"] * FLOAT, tensor["pixel"] * FLOAT)
    return strided(arena[tensor["at"] :], tuple(tensor["shape"]), strides)


def windows(
    arena: "np.ndarray[Any, Any]",
    tensor: "dict[str, Any]",
    kernel: "tuple[int, int]",
    stride: "tuple[int, int]",
    dilation: "tuple[int, int]",
    positions: "tuple[int, int]",
) -> "np.ndarray[Any, Any]":
    """Return what a window sees that begins at a tensor's first pixel and slides over it.

    Returns
    -------
    ndarray, shape (rows, columns, kernel rows, kernel columns, channels)
        A view.
    """
    row, pixel = tensor["row"] * FLOAT, tensor["pixel"] * FLOAT
    strides = (row * stride[0], pixel * stride[1], row * dilation[0], pixel * dilation[1], FLOAT)
    shape = tuple(positions) + tuple(kernel) + (tensor["shape"][0],)
    return strided(arena[tensor["at"] :], shape, strides)
