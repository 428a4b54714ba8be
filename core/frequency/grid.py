"""The frequencies of the coefficients of a real transform."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Boundary: TypeAlias = Literal["reflect", "wrap"]
BOUNDARIES: tuple[Boundary, ...] = ("reflect", "wrap")


def grid(shape: tuple[int, ...], boundary: Boundary) -> list[NDArray[Any]]:
    """Return the frequencies of all coefficients, axis by axis, ready to be broadcast.

    Parameters
    ----------
    shape : tuple of int
        Of the values.
    boundary : {"reflect", "wrap"}
        The cosine transform of the mirrored values has frequencies ``k / (2 n)`` along each axis;
        the Fourier transform of the repeated values ``k / n``, and of the last axis one half.

    Returns
    -------
    list of ndarray
        In cycles per sample.

    Examples
    --------
    >>> [axis.ravel().tolist() for axis in grid((2, 4), "wrap")]
    [[0.0, -0.5], [0.0, 0.25, 0.5]]
    >>> grid((4,), "reflect")[0].tolist()
    [0.0, 0.125, 0.25, 0.375]
    """
    axes = []
    along: NDArray[Any]
    for axis, n in enumerate(shape):
        if boundary == "reflect":
            along = np.arange(n) / (2 * n)
        elif axis == len(shape) - 1:
            along = np.fft.rfftfreq(n)
        else:
            along = np.fft.fftfreq(n)
        axes.append(along.reshape([-1 if other == axis else 1 for other in range(len(shape))]))
    return axes
