"""What kernels are told: addresses in the memory of a box, and tables that are kept there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.edge.lowering.state import Numbers
from core.edge.tensors import GRAIN

Base: TypeAlias = Literal["arena", "weights", "tables", "image"]
BASES: tuple[Base, ...] = ("arena", "weights", "tables", "image")
"""What the functions of a bundle are given, in this order."""
ITEM_BYTES: dict[Base, int] = {"arena": 4, "weights": 4, "tables": 8, "image": 4}


class At(NamedTuple):
    """An address: so many elements after where something begins."""

    base: Base
    offset: int = 0


class Call(NamedTuple):
    """A call of a kernel.

    Attributes
    ----------
    source : functools.partial
        Writes the kernel.
    arguments : tuple
        What it takes.
    """

    source: partial[str]
    arguments: tuple[At | int, ...]


class Tables:
    """Tables of integers that kernels read, one after the other."""

    def __init__(self) -> None:
        self._parts: list[NDArray[np.int64]] = []
        self._length = 0

    def keep(self, table: NDArray[np.int64]) -> At:
        """Keep a table, and return where it is."""
        found = At("tables", self._length)
        self._parts.append(table.ravel())
        self._length += table.size
        return found

    @property
    def numbers(self) -> NDArray[np.int64]:
        """All of them."""
        return np.concatenate([np.zeros(0, np.int64), *self._parts])


class Packing(NamedTuple):
    """How weights lie that kernels read.

    Attributes
    ----------
    places : list of dict
        By number, see `core.edge.runtime.weights.packed`.
    length : int
        Numbers in all.
    """

    places: list[dict[str, int]]
    length: int

    def address(self, number: int) -> At:
        """Return where an array is."""
        return At("weights", self.places[number]["at"])


def packing(arrays: Sequence[Numbers], widths: dict[int, int], lanes: int) -> Packing:
    """Return how weights lie: matrices in groups of outputs, vectors filled up.

    Parameters
    ----------
    arrays : sequence of ndarray
        Matrices ``(inputs, outputs)`` and vectors.
    widths : dict
        Of each matrix, by its number: outputs that are read together, a multiple of ``lanes``.
    lanes : int
        Of a vector register.

    Examples
    --------
    >>> packing([np.zeros((2, 5), np.float32), np.zeros(5, np.float32)], {0: 4}, 4)
    Packing(places=[{'at': 0, 'width': 4}, {'at': 16}], length=32)
    """
    places, at = [], 0
    for number, array in enumerate(arrays):
        place = {"at": at}
        width = lanes
        if array.ndim > 1:
            width = place["width"] = widths[number]
        places.append(place)
        size = array.size // array.shape[-1] * (array.shape[-1] + -array.shape[-1] % width)
        at += size + -size % GRAIN
    return Packing(places, at)
