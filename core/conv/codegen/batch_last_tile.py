"""The tile of sums that a kernel of batch-last arrays keeps in registers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.conv.codegen.target import Target

# A few serve all layers, so that few kernels are compiled.
_PANELS = (1, 2, 3, 4, 5, 6, 8, 12, 16)
# A vector's address takes a register; of those there are sixteen at most.
_MOST_VECTORS = 8


@dataclass(frozen=True)
class Tile:
    """What a kernel is specialised for: P by V sums, each a vector of images.

    Parameters
    ----------
    dtype : str
        Real dtype of all numbers.
    lanes : int
        Images of a vector.
    panel, vectors : int
        P and V.
    """

    dtype: str
    lanes: int
    panel: int
    vectors: int


def tiles(dtype: str, target: Target) -> Iterator[Tile]:
    """Yield the tiles that fit the registers of ``target``: for each P the largest V, and half.

    Examples
    --------
    >>> from core.conv.codegen.target import named
    >>> [t.vectors for t in tiles("float32", named("x86-64-v4")) if t.panel == 4]
    [6, 3]
    """
    lanes = target.lanes(np.dtype(dtype).itemsize)
    for panel in _PANELS:
        # The sums, V inputs, one factor, and one to spare.
        most = min(_MOST_VECTORS, (target.registers - 2) // (panel + 1))
        for vectors in sorted({most, -(-most // 2)} - {0}, reverse=True):
            yield Tile(dtype, lanes, panel, vectors)
