"""The surroundings in which layers compute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from core.nets.blas import one_thread
from core.nets.heap import keep_freed_memory


@contextmanager
def passing() -> Iterator[None]:
    """Keep what a pass frees, the BLAS off the engine's cores, and NumPy quiet.

    Examples
    --------
    >>> with passing():
    ...     np.exp(np.float64(1e4))
    np.float64(inf)
    """
    keep_freed_memory()
    # An overflow is a result: the loss says so.
    with one_thread(), np.errstate(all="ignore"):
        yield
