"""Images moved by whole pixels: what `shift` and `crop` share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.arrays import Array, array_module, windows

Outside: TypeAlias = Literal["zero", "nearest", "reflect", "wrap"]

# As core.conv names boundaries, and numpy.pad.
_MODES: dict[Outside, Any] = {
    "zero": "constant",
    "nearest": "edge",
    "reflect": "symmetric",
    "wrap": "wrap",
}


def offsets(images: int, reach: Sequence[int], random: np.random.Generator) -> NDArray[np.int64]:
    """Return how far each image is moved along each axis: evenly, up to ``reach`` either way.

    Examples
    --------
    >>> offsets(2, (0, 0), np.random.default_rng(0))
    array([[0, 0],
           [0, 0]])
    """
    most = np.asarray(reach)
    return random.integers(-most, most + 1, (images, len(most)))


def moved(x: Array, by: NDArray[np.int64], reach: Sequence[int], outside: Outside) -> Array:
    """Return ``x (N, C, *S)`` with every image moved by whole pixels.

    Parameters
    ----------
    x : array of shape ``(N, C, *S)``
    by : ndarray of int64, shape ``(N, len(S))``
        How far: positive to the right and down.
    reach : sequence of int
        Nothing is moved farther than this along each axis.
    outside : {"zero", "nearest", "reflect", "wrap"}
        What comes in; see `core.conv.convolve`.

    Examples
    --------
    >>> moved(np.array([[[1, 2, 3]], [[4, 5, 6]]]), np.array([[1], [-1]]), (1,), "zero")
    array([[[0, 1, 2]],
    <BLANKLINE>
           [[5, 6, 0]]])
    """
    padded = np.pad(x, [(0, 0), (0, 0), *((n, n) for n in reach)], _MODES[outside])
    axes = tuple(range(2, x.ndim))
    xp = array_module(x)
    starts = xp.asarray((np.asarray(reach) - by).T)
    return windows(padded, x.shape[2:], axes)[(xp.arange(len(x)), slice(None), *starts)]
