"""How the power of a picture is spread over frequencies and over directions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.spectrum.transform import frequencies


def ring_power(spectrum: NDArray[Any], rings: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the power in rings around frequency zero.

    Parameters
    ----------
    spectrum : ndarray, shape (H, W)
        From `core.spectrum.transform`.
    rings : int
        How many, equally wide, from 0 to the largest frequency: the square root of 1/2 cycle per
        pixel, in the corners.

    Returns
    -------
    edges : ndarray, shape (rings + 1,)
        In cycles per pixel.
    power : ndarray, shape (rings,)
        Of the coefficients between two edges, frequency zero left out. With the window ``none``
        their sum is the variance of the picture.

    Examples
    --------
    >>> from core.spectrum import transform
    >>> x = np.cos(2 * np.pi * np.arange(8) / 4) * np.ones((8, 1))
    >>> edges, power = ring_power(transform(x, "none"), 3)
    >>> power.round(9).tolist()
    [0.0, 0.5, 0.0]
    """
    fy, fx = frequencies(_shape(spectrum))
    edges = np.linspace(0, np.sqrt(0.5), rings + 1)
    ring = np.minimum((np.hypot(fy, fx) / edges[-1] * rings).astype(int), rings - 1)
    return edges, np.bincount(ring.ravel(), _power(spectrum).ravel(), minlength=rings)


def direction_power(spectrum: NDArray[Any], directions: int) -> NDArray[Any]:
    """Return the power in sectors of directions.

    Parameters
    ----------
    spectrum : ndarray, shape (H, W)
        From `core.spectrum.transform`.
    directions : int
        How many sectors half a turn is divided into. Number ``i`` is centred at ``i * 180 /
        directions`` degrees, counter-clockwise from the x axis. That is the direction in which
        waves run; the lines of a pattern are at right angles to it.

    Returns
    -------
    ndarray, shape (directions,)
        In the unit of `ring_power`. Frequencies beyond 1/2, which exist towards the corners only,
        are left out, as is frequency zero.

    Examples
    --------
    >>> from core.spectrum import transform
    >>> x = np.cos(2 * np.pi * np.arange(8) / 4) * np.ones((8, 1))
    >>> direction_power(transform(x, "none"), 4).round(9).tolist()
    [0.5, 0.0, 0.0, 0.0]
    """
    fy, fx = frequencies(_shape(spectrum))
    # Rows go down, angles go up.
    turn = np.arctan2(-fy, fx) / np.pi % 1
    sector = np.rint(turn * directions).astype(int) % directions
    power = np.where(np.hypot(fy, fx) <= 0.5, _power(spectrum), 0)
    return np.bincount(sector.ravel(), power.ravel(), minlength=directions)


def _power(spectrum: NDArray[Any]) -> NDArray[Any]:
    power: NDArray[Any] = (
        np.square(spectrum.real, dtype=float) + np.square(spectrum.imag, dtype=float)
    ) / spectrum.size**2
    power[spectrum.shape[0] // 2, spectrum.shape[1] // 2] = 0
    return power


def _shape(spectrum: NDArray[Any]) -> tuple[int, int]:
    height, width = spectrum.shape
    return height, width
