"""Where frames come from, and which one stands for one that is not there."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.conv.boundary import Boundary


class Frames(Protocol):
    """Frames that are read when they are needed.

    Attributes
    ----------
    shape : tuple of int
        (T, H, W) or (T, H, W, C).
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, H, W) or (T, H, W, C)."""

    def read(self, index: int) -> NDArray[Any]:
        """Return a frame, of shape (H, W) or (H, W, C)."""


def index_in_time(index: int, count: int, boundary: Boundary) -> int | None:
    """Return which frame stands for one that may lie before the first or after the last.

    Parameters
    ----------
    index : int
        The wanted frame, which may be negative, or ``count`` and more.
    count : int
        How many there are.
    boundary : str
        By the engine's names.

    Returns
    -------
    int or None
        None where no frame does but a value: with the boundaries zero and constant.

    Examples
    --------
    >>> [index_in_time(i, 3, "reflect") for i in range(-4, 4)]
    [2, 2, 1, 0, 0, 1, 2, 2]
    >>> [index_in_time(i, 3, "mirror") for i in range(-3, 5)]
    [1, 2, 1, 0, 1, 2, 1, 0]
    """
    if 0 <= index < count:
        return index
    match boundary:
        case "nearest":
            return int(np.clip(index, 0, count - 1))
        case "wrap":
            return index % count
        case "reflect":
            place = index % (2 * count)
            return min(place, 2 * count - 1 - place)
        case "mirror":
            place = index % max(2 * count - 2, 1)
            return min(place, 2 * count - 2 - place)
    return None
