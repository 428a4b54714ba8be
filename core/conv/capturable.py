"""Work on a device that a CUDA graph may hold.

While a graph is captured the host may read nothing of the device, bring nothing over, and call no
cuBLAS (CuPy refuses it then). Who wants to capture says so, and what has a choice keeps to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

CAPTURABLE = "capturable"
"""The method that is ``auto`` among what a CUDA graph can hold; not the name of an algorithm."""

_wanted: ContextVar[bool] = ContextVar("capturable", default=False)


@contextmanager
def capturable() -> Iterator[None]:
    """Keep to what can be captured, in this thread.

    Convolutions on a device whose method is ``auto`` are direct ones or cuDNN's, and the host does
    not look whether kernels are finite. Where no CUDA source looks either (cuDNN, complex numbers,
    four axes), a kernel that is not makes outputs at the border NaN as well.

    Examples
    --------
    >>> with capturable():
    ...     is_capturable()
    True
    """
    token = _wanted.set(True)
    try:
        yield
    finally:
        _wanted.reset(token)


def is_capturable() -> bool:
    """Return whether work has to be capturable.

    Examples
    --------
    >>> is_capturable()
    False
    """
    return _wanted.get()
