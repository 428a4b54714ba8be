"""Memory for the spectra of tiles.

Each thread keeps what it used last, up to a limit: memory that is new to the process takes longer
to come by than a small tile to transform.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np

from core.conv.codegen.fft_layout import address
from core.conv.codegen.fft_tile import tile_strides
from core.conv.normal import Shape

RealArray = np.ndarray[Any, Any]

_LINE = 64
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
    return _shaped(np.empty(_bytes(dtype, tile, lead), np.uint8), dtype, tile, lead)


def thread_tiles(dtype: str, tile: Shape, lead: Shape) -> RealArray:
    """Return memory for tiles that this thread has until it asks for memory again."""
    size = _bytes(dtype, tile, lead)
    if size > _KEPT:
        return new_tiles(dtype, tile, lead)
    if _kept.memory.size < size:
        _kept.memory = np.empty(size, np.uint8)
    return _shaped(_kept.memory, dtype, tile, lead)


def _bytes(dtype: str, tile: Shape, lead: Shape) -> int:
    elements = tile_strides(dtype, tile)[0] * math.prod(lead)
    return elements * np.dtype(dtype).itemsize + _LINE


def _shaped(memory: RealArray, dtype: str, tile: Shape, lead: Shape) -> RealArray:
    skip = -address(memory) % _LINE
    size = _bytes(dtype, tile, lead) - _LINE
    return memory[skip : skip + size].view(dtype).reshape(*lead, -1)
