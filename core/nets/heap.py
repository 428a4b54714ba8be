"""Let the C library keep memory that is freed, for the next step wants just as much again.

A step of training allocates the same arrays as the step before. By default glibc gives large ones
back to the system at once, and each new page then costs a page fault: 40% of a step of LeNet-5
where this was measured (2 cores of an AMD EPYC, virtual machine).
"""

from __future__ import annotations

import ctypes
from functools import cache

# Names and numbers of malloc.h.
_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_THRESHOLD = -3

# The highest threshold that glibc accepts; larger arrays still come straight from the system.
_LARGE = 32 << 20
_NEVER = -1
# The size of a heap of a thread: it is got at once, and used page by page.
_HEAP = 64 << 20


@cache
def keep_freed_memory() -> None:
    """Tell glibc, once per process; another C library has nothing that could be told.

    Examples
    --------
    >>> keep_freed_memory()
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE)
        mallopt(_M_TRIM_THRESHOLD, _NEVER)
        mallopt(_M_TOP_PAD, _HEAP)
