"""Kernels that do not change, so that what an algorithm makes of them is made once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.arrays import Array, array_module, is_on_gpu, to_numpy
from core.conv.arguments import as_array
from core.conv.capturable import is_capturable
from core.conv.cuda.kept import kept

T = TypeVar("T")


class FixedKernel:
    """A kernel for many inputs: what is made of it on a GPU, such as its spectrum, stays there.

    `core.conv.convolve` and its like take one in place of an array. It is a copy, so nothing that
    happens to the array afterwards changes a result; and it is known by its values, so that equal
    ones, of two jobs say, share what is kept. On a processor it is as good as the array.

    Parameters
    ----------
    values : array
        The kernel, on the host or on a device.

    Attributes
    ----------
    host : ndarray
        The values; read-only.
    learned : dict
        What their look has told of problems, see `core.conv.values`.

    Examples
    --------
    >>> from core.conv import convolve
    >>> kernel = FixedKernel(np.array([1.0, 1.0]))
    >>> convolve(np.array([1.0, 2.0]), kernel)
    array([1., 3., 2.])
    """

    def __init__(self, values: Array) -> None:
        self.host: NDArray[Any] = np.array(to_numpy(as_array("kernel", values)), order="C")
        self.host.flags.writeable = False
        self.learned: dict[Hashable, Any] = {}

    @property
    def shape(self) -> tuple[int, ...]:
        """As of the array."""
        shape: tuple[int, ...] = self.host.shape
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """As of the array."""
        dtype: np.dtype[Any] = self.host.dtype
        return dtype

    def astype(self, dtype: np.dtype[Any]) -> FixedKernel:
        """Return the kernel as ``dtype``: itself where it is that."""
        return self if dtype == self.dtype else FixedKernel(self.host.astype(dtype))

    def beside(self, x: Array) -> Array:
        """Return the values where ``x`` is; to a device they are brought once."""
        if not is_on_gpu(x):
            return self.host

        def brought() -> Array:
            return array_module(x).asarray(self.host)

        return brought() if is_capturable() else kept(x, (self._digest, "values"), brought)

    @contextmanager
    def used_as(self, w: Array, how: Hashable) -> Iterator[None]:
        """Keep what `once` makes of ``w`` meanwhile, in this thread.

        Parameters
        ----------
        w : array
            Made of `beside`, of a device.
        how : hashable
            In which way, but for shape and dtype.
        """
        name = (self._digest, how, w.shape, w.dtype.str)
        token = _used.set((w, name))
        try:
            yield
        finally:
            _used.reset(token)

    @cached_property
    def _digest(self) -> bytes:
        about = f"{self.dtype.str} {self.shape}".encode()
        return hashlib.sha256(about + self.host.tobytes()).digest()


_used: ContextVar[tuple[Array, Hashable] | None] = ContextVar("fixed", default=None)


def once(w: Array, what: Hashable, make: Callable[[], T]) -> T:
    """Return ``make()``, which is kept where ``w`` is of a `FixedKernel` that is in use.

    Any other array has to be looked at anew, since its values may have changed; and what a CUDA
    graph holds must not be dropped.

    Parameters
    ----------
    w : array
        The kernel that an algorithm was given; parts of it, or copies, are not known.
    what : hashable
        Says all that is made beside ``w``.
    make : callable
        As `core.conv.cuda.kept.kept` takes it.

    Examples
    --------
    >>> once(np.ones(3), "sum", lambda: 3)
    3
    """
    used = _used.get()
    if used is None or used[0] is not w or is_capturable():
        return make()
    return kept(w, (used[1], what), make)
