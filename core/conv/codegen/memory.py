"""Where arrays lie: addresses for kernels, and memory that begins on a cache line."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np

from core.conv.normal import Shape

LINE_BYTES = 64
_HELD = threading.local()


def address(array: np.ndarray[Any, Any]) -> int:
    """Return where ``array`` begins; the attribute ``ctypes`` makes an object first.

    Examples
    --------
    >>> array = np.zeros(3)
    >>> address(array[1:]) - address(array)
    8
    """
    found: int = array.__array_interface__["data"][0]
    return found


def empty(shape: Shape, dtype: str) -> np.ndarray[Any, Any]:
    """Return an array on a cache line: a vector that lies in two takes longer to store.

    Examples
    --------
    >>> array = empty((2, 3), "float32")
    >>> array.shape, address(array) % LINE_BYTES
    ((2, 3), 0)
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + LINE_BYTES, np.uint8)
    start = -address(memory) % LINE_BYTES
    return memory[start : start + size].view(dtype).reshape(shape)


def scratch(size: int) -> int:
    """Return the address of ``size`` bytes of this thread's own, on a cache line.

    All kernels share them, so that they are in the cache already.
    """
    held: tuple[np.ndarray[Any, Any], int] | None = getattr(_HELD, "scratch", None)
    if held is None or held[0].size < size:
        memory = empty((size,), "uint8")
        held = _HELD.scratch = memory, address(memory)
    return held[1]
