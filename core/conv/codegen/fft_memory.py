"""Memory for the spectra of tiles.

Each thread keeps what it used last, up to a limit: memory that is new to the process takes longer
to come by than a small tile to transform.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np

from core.conv.codegen.fft_tile import tile_strides
from core.conv.codegen.memory import empty
from core.conv.normal import Shape

RealArray = np.ndarray[Any, Any]

# Bytes that a thread keeps.
_KEPT = 1 << 24


class _Kept(threading.local):
    memory = np.empty(0, np.uint8)


_kept = _Kept()


def new_tiles(dtype: str, tile: Shape, lead: Shape) -> RealArray:
    """Return new memory for tiles, of shape ``(*lead, elements)``, on a cache line.

    Examples
    --------
    >>> new_tiles("float32", (64,), (2, 3)).shape
    (2, 3, 160)
    """
    return empty((*lead, tile_strides(dtype, tile)[0]), dtype)


def thread_tiles(dtype: str, tile: Shape, lead: Shape) -> RealArray:
    """Return memory for tiles that this thread has until it asks for memory again."""
    shape = (*lead, tile_strides(dtype, tile)[0])
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size > _KEPT:
        return new_tiles(dtype, tile, lead)
    if _kept.memory.size < size:
        _kept.memory = empty((size,), "uint8")
    return _kept.memory[:size].view(dtype).reshape(shape)
