"""Memory of the kernels of batch-last arrays: scratch, results on cache lines, whole vectors."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np

from core.conv.normal import Shape

LINE_BYTES = 64
_HELD = threading.local()

Real = np.ndarray[Any, np.dtype[Any]]


def scratch(size: int) -> int:
    """Return the address of ``size`` bytes of this thread's own, on a cache line.

    All layers share them, so that they are in the cache already.
    """
    held: tuple[Real, int] | None = getattr(_HELD, "scratch", None)
    if held is None or held[0].size < size + LINE_BYTES:
        memory = np.empty(size + LINE_BYTES, np.uint8)
        start = address(memory)
        held = _HELD.scratch = memory, start + -start % LINE_BYTES
    return held[1]


def flag(dtype: str, count: int) -> Real:
    """Return a few numbers of this thread's own, set to 0."""
    flags: dict[str, Real] = _HELD.__dict__
    key = f"{dtype} {count}"
    if key not in flags:
        flags[key] = np.empty(count, dtype)
    flags[key].fill(0)
    return flags[key]


def empty(shape: Shape, dtype: str) -> Real:
    """Return an array on a cache line: a vector that lies in two takes longer to store."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + LINE_BYTES, np.uint8)
    start = -address(memory) % LINE_BYTES
    return memory[start : start + size].view(dtype).reshape(shape)


def filled(x: Real, lanes: int) -> Real:
    """Return ``x``, contiguous, in whole vectors of images: zeros where there are none left.

    Examples
    --------
    >>> filled(np.ones((1, 2, 3)), 4).tolist()
    [[[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0]]]
    """
    images = x.shape[-1]
    if images % lanes == 0:
        return x if x.flags.c_contiguous else np.ascontiguousarray(x)
    whole = empty((*x.shape[:-1], images + -images % lanes), x.dtype.name)
    whole[..., :images] = x
    whole[..., images:] = 0
    return whole


def address(x: Real) -> int:
    """Return where ``x`` begins; the attribute ``ctypes`` makes an object first."""
    found: int = x.__array_interface__["data"][0]
    return found
