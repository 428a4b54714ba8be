"""The programs of a net, made when they are first asked for."""

from __future__ import annotations

from collections.abc import Sequence
from threading import RLock
from typing import TYPE_CHECKING

import numpy as np

from core.arrays import Array
from core.conv import codegen
from core.nets.graph import Node
from core.nets.segments import Segment

if TYPE_CHECKING:  # It needs llvmlite.
    from core.nets.program.program import Program

# A training has batches of one size, and a smaller last one.
_MOST_BATCHES = 2
_DTYPES = ("float32", "float64")


class NotFinite(Exception):
    """Something was not finite, and a kernel does not know what becomes of it."""


class Programs:
    """The programs of a net for the last few sizes of batches.

    Attributes
    ----------
    lock : RLock
        To be held from a forward pass to the end of its backward pass: what is between them is in
        the programs' memory.
    """

    def __init__(self) -> None:
        self.lock = RLock()
        self._found: dict[tuple[int, str], dict[tuple[int, ...], Program]] = {}

    def of(self, segment: Segment, groups: Sequence[slice], dtype: str) -> Program:
        """Return the program of a segment."""
        # Only here, because it imports llvmlite.
        from core.nets.program.program import Program

        batch = groups[-1].stop, dtype
        if batch not in self._found:
            while len(self._found) >= _MOST_BATCHES:
                del self._found[next(iter(self._found))]
            self._found[batch] = {}
        programs = self._found[batch]
        numbers = tuple(node.index for node in segment.nodes)
        if numbers not in programs:
            programs[numbers] = Program(segment, groups, dtype)
        return programs[numbers]


def suit(x: Array, dtype: np.dtype[np.floating]) -> bool:
    """Return whether there are kernels for a batch ``x``: its images fill the lanes.

    Examples
    --------
    >>> suit(np.zeros((15, 1, 8, 8)), np.dtype("float32"))
    False
    """
    if not codegen.available() or type(x) is not np.ndarray or dtype.name not in _DTYPES:
        return False
    from core.conv.codegen.batch_last_layer import lanes

    return len(x) % lanes(dtype.name) == 0


def has_program(node: Node) -> bool:
    """Return whether there are kernels for a layer, where kernels can be generated."""
    from core.nets.program import units

    return units.has_program(node)
