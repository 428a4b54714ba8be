"""How wide the Gaussian was that blurred a picture, from the picture alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy  # its parts, which take long to load, when they are first used
from numpy.typing import NDArray

from core.errors import InvalidInput
from core.spectrum import frequencies, transform

SMALLEST = 32
"""Pixels a side that a picture needs to tell its blur."""

_RINGS = 48
# In cycles per pixel; below are a few large shapes, beyond 1/2 only the corners.
_LOWEST, _HIGHEST = 0.015, 0.5
# Exponents of the frequency that the power of sharp pictures falls with.
_STEEPNESS = (1.0, 4.0)
_WIDEST = 50.0


def gaussian_width(x: NDArray[Any]) -> float:
    """Return the standard deviation of the Gaussian that a picture looks blurred by.

    The power of sharp pictures falls with the frequency ``f`` about as ``f ** -a`` with ``a``
    around 2 [1]_, and a Gaussian multiplies it by ``exp(-(2 pi sigma f) ** 2)``, above the even
    power of noise. The three are fitted to the logarithm of the power in rings of frequencies.

    Parameters
    ----------
    x : ndarray, shape (H, W)
        Real, at least 32 pixels a side.

    Returns
    -------
    float
        In pixels. It includes what the lens did, and is the better the less noise there is.

    Raises
    ------
    InvalidInput
        The picture is too small, or constant.

    References
    ----------
    .. [1] D. Field, "Relations between the statistics of natural images and the response
       properties of cortical cells", Journal of the Optical Society of America A 4, 1987.

    Examples
    --------
    >>> from scipy.ndimage import gaussian_filter
    >>> steps = np.kron(np.random.default_rng(0).random((16, 16)), np.ones((8, 8)))
    >>> bool(abs(gaussian_width(gaussian_filter(steps, 2)) - 2) < 0.3)
    True
    """
    if min(x.shape) < SMALLEST:
        raise InvalidInput(
            "too small to tell its blur",
            field="inputs",
            given=" × ".join(map(str, x.shape)),
            accepted=f"at least {SMALLEST} pixels a side",
        )
    # As bright as 1, so that no square is beyond all numbers, or too small for any.
    f, power = _rings(x / (abs(x).max() or 1))
    if power.max() <= 0:
        raise InvalidInput("a constant picture does not tell its blur", field="inputs")
    level = np.log(np.maximum(power, power.max() * 1e-20))
    waves = (2 * np.pi * f) ** 2

    def misfit(parameters: NDArray[Any]) -> NDArray[Any]:
        height, steepness, variance, noise = parameters
        signal = height - steepness * np.log(f) - variance * waves
        distance: NDArray[Any] = np.logaddexp(signal, noise) - level
        return distance

    floor = float(level.min())
    fits = [
        scipy.optimize.least_squares(
            misfit,
            [level[0] + 2 * np.log(f[0]), 2.0, sigma**2, floor],
            bounds=(
                [-np.inf, _STEEPNESS[0], 0, floor - 60],
                [np.inf, _STEEPNESS[1], _WIDEST**2, level.max() + 1],
            ),
            loss="soft_l1",
        )
        for sigma in (0.7, 2.0, 6.0)
    ]
    best = min(fits, key=lambda fit: float(fit.cost))
    return float(np.sqrt(best.x[2]))


def _rings(x: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the mean power in rings that are equally wide in the logarithm of the frequency."""
    height, width = x.shape
    spectrum = transform(np.asarray(x, np.float64), "hann")
    fy, fx = frequencies((height, width))
    radius = np.hypot(fy, fx)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    edges = np.geomspace(max(_LOWEST, 2 / min(x.shape)), _HIGHEST, _RINGS + 1)
    ring = np.digitize(radius.ravel(), edges)
    count = np.bincount(ring, minlength=_RINGS + 2)[1:-1]
    summed = np.bincount(ring, power.ravel(), minlength=_RINGS + 2)[1:-1]
    centres = np.sqrt(edges[1:] * edges[:-1])
    there = count > 0
    return centres[there], summed[there] / count[there]
