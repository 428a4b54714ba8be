"""The memory of a prepared net: one arena for all values, and what kernels are told about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.conv.codegen.memory import empty
from core.nets.inference.layout import Layout


class Place(NamedTuple):
    """Where a value lies.

    Attributes
    ----------
    layout : Layout
        How.
    buffer : ndarray
        In what memory, one-dimensional.
    """

    layout: Layout
    buffer: NDArray[Any]

    @property
    def address(self) -> int:
        """Of the memory's first byte."""
        return int(self.buffer.ctypes.data)

    @property
    def view(self) -> NDArray[Any]:
        """The array ``(channels, *spatial, 1)``."""
        return self.layout.view(self.buffer)


@dataclass(frozen=True)
class Kept:
    """Arrays whose addresses kernels are told, and which therefore live as long as their calls.

    Attributes
    ----------
    dtype : str
        Of the numbers that are computed with.
    arrays : list of ndarray
        What is kept.
    """

    dtype: str
    arrays: list[NDArray[Any]]

    def numbers(self, array: NDArray[Any]) -> int:
        """Keep numbers of `dtype`, on a cache line; return their address."""
        kept = zeros(array.size, self.dtype)
        kept[:] = array.ravel()
        self.arrays.append(kept)
        return int(kept.ctypes.data)

    def table(self, array: NDArray[np.int64]) -> int:
        """Keep a table of integers; return its address."""
        kept = np.array(array, np.int64, order="C")
        self.arrays.append(kept)
        return int(kept.ctypes.data)


def zeros(size: int, dtype: str) -> NDArray[Any]:
    """Return zeros that begin on a cache line.

    Examples
    --------
    >>> zeros(3, "float32")
    array([0., 0., 0.], dtype=float32)
    """
    found = empty((size,), dtype)
    found.fill(0)
    return found
