"""How much memory a job needs of the worker that runs it, and a worker offers: in classes.

Each class is a ninth more than the one before, so that a queue is enough for all jobs of one.
"""

from __future__ import annotations

import math

ANY = 0
"""The class of jobs that every worker has the memory for."""

_LEAST = 256 << 20
_PER_OCTAVE = 8


def most(class_: int) -> int:
    """Return the bytes that a job of this class may need.

    Examples
    --------
    >>> most(ANY) >> 20, most(8) >> 20
    (256, 512)
    """
    return math.floor(_LEAST * 2 ** (class_ / _PER_OCTAVE))


def needed(size: int) -> int:
    """Return the class of a job that needs ``size`` bytes, the first one that holds it.

    Examples
    --------
    >>> needed(1000), needed(3 << 30)
    (0, 29)
    """
    class_ = max(ANY, math.floor(_PER_OCTAVE * math.log2(max(size, 1) / _LEAST)))
    return class_ if size <= most(class_) else class_ + 1


def offered(size: int) -> int:
    """Return the largest class of jobs that a worker with ``size`` bytes can run.

    Examples
    --------
    >>> offered(3 << 30), offered(100 << 20)
    (28, 0)
    """
    class_ = max(ANY, math.ceil(_PER_OCTAVE * math.log2(max(size, 1) / _LEAST)))
    return class_ if class_ == ANY or most(class_) <= size else class_ - 1
