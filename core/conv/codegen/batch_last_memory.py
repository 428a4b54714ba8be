"""What the kernels of batch-last arrays are given: flags, and images in whole vectors."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from core.conv.codegen.memory import empty

_HELD = threading.local()

Real = np.ndarray[Any, np.dtype[Any]]


def flag(dtype: str, count: int) -> Real:
    """Return a few numbers of this thread's own, set to 0."""
    flags: dict[str, Real] = _HELD.__dict__
    key = f"{dtype} {count}"
    if key not in flags:
        flags[key] = np.empty(count, dtype)
    flags[key].fill(0)
    return flags[key]


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
