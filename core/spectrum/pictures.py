"""Pictures of a spectrum."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Of the values, so that a few coefficients do not leave the others black, or white.
_DARKEST, _BRIGHTEST = 1, 99.995
_RANGE = 1e6


def magnitude_picture(spectrum: NDArray[Any]) -> NDArray[np.uint8]:
    """Draw the logarithm of the magnitudes, from the first percentile in black to white.

    What is a millionth of the brightest, or less, is black, too.

    Parameters
    ----------
    spectrum : ndarray, shape (H, W)
        Complex, from `core.spectrum.transform`.

    Returns
    -------
    ndarray of uint8, shape (H, W)

    Examples
    --------
    >>> magnitude_picture(np.array([[1.0, 10.0, 100.0]]).astype(complex))[0].tolist()
    [0, 126, 255]
    """
    magnitude = np.abs(spectrum)
    # What is below rounding errors is not worth a shade.
    floor = max(float(magnitude.max()) * np.finfo(magnitude.dtype).eps, 1e-30)
    level = np.log(np.maximum(magnitude, floor))
    low, high = np.percentile(level, (_DARKEST, _BRIGHTEST))
    # Where a filter lets nothing through there are only roundings, which would take all shades.
    low = max(low, high - np.log(_RANGE))
    scaled = (level - low) / ((high - low) or 1)
    return _levels(scaled)


def phase_picture(spectrum: NDArray[Any]) -> NDArray[np.uint8]:
    """Draw the phases as hues: red for 0, then yellow, green, cyan at half a turn, blue, magenta.

    Parameters
    ----------
    spectrum : ndarray, shape (H, W)
        Complex, from `core.spectrum.transform`.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)

    Examples
    --------
    >>> phase_picture(np.array([[1, -1]], complex)).tolist()
    [[[255, 0, 0], [0, 255, 255]]]
    """
    turns = np.angle(spectrum)[..., None] / (2 * np.pi)
    distance = np.abs((turns - np.array([0, 1 / 3, 2 / 3]) + 0.5) % 1 - 0.5)
    return _levels(2 - 6 * distance)


def _levels(scaled: NDArray[Any]) -> NDArray[np.uint8]:
    levels: NDArray[np.uint8] = np.rint(255 * np.clip(scaled, 0, 1)).astype(np.uint8)
    return levels
