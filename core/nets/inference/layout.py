"""How a value of one image lies in memory: channels-last, with zeros around it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.nets.layer import Shape


@dataclass(frozen=True)
class Layout:
    """Where the numbers of ``(channels, *spatial)`` are, counted in elements.

    Attributes
    ----------
    channels : int
        That mean something.
    spatial : tuple of int
        Pixels along each axis; none for a vector.
    border : tuple of int
        Zeros before and after each axis, for layers that pad.
    pitch : int
        From one pixel to the next: the channels, filled up to whole vectors.

    Examples
    --------
    >>> layout = Layout(channels=3, spatial=(4, 5), border=(1, 1), pitch=16)
    >>> layout.strides, layout.origin, layout.size
    ((112, 16), 128, 672)
    """

    channels: int
    spatial: Shape
    border: Shape
    pitch: int

    @property
    def strides(self) -> Shape:
        """From one pixel to the next along each axis."""
        sides = [n + 2 * b for n, b in zip(self.spatial, self.border, strict=True)]
        return tuple(self.pitch * math.prod(sides[axis + 1 :]) for axis in range(len(sides)))

    @property
    def origin(self) -> int:
        """Where the first pixel is."""
        return sum(b * s for b, s in zip(self.border, self.strides, strict=True))

    @property
    def size(self) -> int:
        """Elements in all."""
        sides = (n + 2 * b for n, b in zip(self.spatial, self.border, strict=True))
        return self.pitch * math.prod(sides)

    def offsets(self, positions: Sequence[Sequence[int] | NDArray[np.int64]]) -> NDArray[np.int64]:
        """Return where the pixels of a grid are, in reading order.

        Parameters
        ----------
        positions : sequence
            For each axis the positions along it; those in the border are negative, or past the end.

        Examples
        --------
        >>> layout = Layout(channels=1, spatial=(4, 5), border=(1, 0), pitch=1)
        >>> layout.offsets([[-1, 0], [2]]).tolist()
        [2, 7]
        """
        found = np.array([self.origin], np.int64)
        for along, stride in zip(positions, self.strides, strict=True):
            found = np.add.outer(found, np.asarray(along, np.int64) * stride).ravel()
        return found

    def view(self, buffer: NDArray[Any]) -> NDArray[Any]:
        """Return the array ``(channels, *spatial, 1)`` that lies in ``buffer``, as layers take it.

        Examples
        --------
        >>> Layout(1, (2,), (1,), 1).view(np.arange(4)).tolist()
        [[[1], [2]]]
        """
        item = buffer.itemsize
        return np.lib.stride_tricks.as_strided(
            buffer[self.origin :],
            (self.channels, *self.spatial, 1),
            (item, *(item * stride for stride in self.strides), item),
        )
