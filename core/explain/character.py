"""What a kernel does, told from its values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import scipy  # its parts, which take long to load, when they are first used

from core.arrays import Array, array_module, fft_module
from core.errors import InvalidInput

Sort: TypeAlias = Literal["identity", "low-pass", "edge", "sharpening", "other"]

# Of the magnitudes: what is below is rounding of values in single precision.
_ROUNDING = 1e-5
# Of the magnitudes: so much of the mean passes sampled derivatives that are meant to have sum 0.
_NEARLY = 0.02
# A direction that is no clearer than this is none.
_CLEAR = 0.02
_LEAST_GRID = 64


@dataclass(frozen=True)
class Character:
    """What a kernel of two axes does.

    Attributes
    ----------
    sort : str
        ``identity`` has one tap; ``low-pass`` lets the mean through and little of fine detail;
        ``edge`` has a sum of 0 or nearly, so it answers to changes only; ``sharpening`` lets the
        mean through and more of fine detail; ``other`` does none of these.
    sum, size : float
        Of the values, and of their magnitudes.
    is_zero_sum : bool
        Whether a constant picture becomes 0.
    is_probability : bool
        Whether it is nowhere negative and has sum 1, so that it is a distribution.
    symmetry : {"even", "odd", "none"}
        Whether a half turn leaves it, or changes its sign. An odd edge kernel takes a first
        derivative, an even one a second.
    rank : int
        How many products of a column and a row add up to it; separable is rank 1.
    orientation : float or None
        The direction of the lines that it lets through or answers to most, in degrees
        counter-clockwise from the x axis, at least -90 and below 90; None if there is none.
    strength : float
        How clear that direction is, from 0 to 1.
    gain_of_mean, largest_gain : float
        What a constant is multiplied by, and the wave that becomes largest.
    """

    sort: Sort
    sum: float
    size: float
    is_zero_sum: bool
    is_probability: bool
    symmetry: Literal["even", "odd", "none"]
    rank: int
    orientation: float | None
    strength: float
    gain_of_mean: float
    largest_gain: float


def character(kernel: Array) -> Character:
    """Return what a kernel does.

    Parameters
    ----------
    kernel : ndarray, shape (KH, KW)
        Real, not 0 everywhere.

    Returns
    -------
    Character

    Raises
    ------
    InvalidInput
        It has not two axes, or no values but 0.

    Examples
    --------
    >>> seen = character(np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]]))  # Sobel, for x
    >>> seen.sort, seen.symmetry, seen.rank, seen.orientation
    ('edge', 'odd', 1, -90.0)
    >>> character(np.ones((3, 3)) / 9).sort
    'low-pass'
    """
    xp = array_module(kernel)
    k = xp.asarray(kernel, np.float64)
    size = float(abs(k).sum()) if k.size else 0.0
    if k.ndim != 2 or not 0 < size < np.inf:
        raise InvalidInput(
            "no kernel to explain",
            field="kernel",
            given=f"shape {k.shape}, sum of magnitudes {size:g}",
            accepted="two axes, and a finite value other than 0",
        )
    total = float(k.sum())
    singular = xp.linalg.svd(k, compute_uv=False)
    gain, waves = _gain(k)
    orientation, strength = _direction(gain, waves)
    return Character(
        sort=_sort(k, total, size, gain, waves),
        sum=total,
        size=size,
        is_zero_sum=abs(total) <= _ROUNDING * size,
        is_probability=bool(k.min() >= 0 and abs(total - 1) <= _ROUNDING),
        symmetry=_symmetry(k, size),
        rank=int((singular > _ROUNDING * singular[0]).sum()),
        orientation=orientation,
        strength=strength,
        gain_of_mean=abs(total),
        largest_gain=float(gain.max()),
    )


def _gain(k: Array) -> tuple[Array, tuple[Array, Array]]:
    """Return the magnitude of the transform on a square grid, with its frequencies."""
    # The same everywhere: CuPy has another idea of which lengths are fast.
    n = scipy.fft.next_fast_len(max(_LEAST_GRID, 4 * max(k.shape)))
    fft = fft_module(k)
    gain = abs(fft.fft2(k, (n, n)))
    f = fft.fftfreq(n)
    return gain, (f[:, None], f[None, :])


def _sort(
    k: Array,
    total: float,
    size: float,
    gain: Array,
    waves: tuple[Array, Array],
) -> Sort:
    xp = array_module(k)
    if xp.count_nonzero(k) == 1:
        return "identity"
    if abs(total) <= _NEARLY * size:
        return "edge"
    fine = xp.hypot(*waves) > 0.25
    level = float(xp.sqrt(xp.mean(gain[fine] ** 2)))
    if gain.max() <= abs(total) * (1 + _ROUNDING) and level < 0.9 * abs(total):
        return "low-pass"
    return "sharpening" if level > 1.05 * abs(total) else "other"


def _symmetry(k: Array, size: float) -> Literal["even", "odd", "none"]:
    turned = k[::-1, ::-1]
    if abs(k - turned).sum() <= _ROUNDING * size:
        return "even"
    return "odd" if abs(k + turned).sum() <= _ROUNDING * size else "none"


def _direction(gain: Array, waves: tuple[Array, Array]) -> tuple[float | None, float]:
    """Return the direction of the lines of the strongest waves, and how clear it is."""
    xp, (fy, fx) = array_module(gain), waves
    # Within a circle, or the corners of the grid would be a direction.
    power = xp.where(xp.hypot(fy, fx) <= 0.5, gain**2, 0)
    xx, yy, xy = (float((power * w).sum()) for w in (fx * fx, fy * fy, fx * fy))
    strength = float(np.hypot(xx - yy, 2 * xy) / (xx + yy))
    if strength < _CLEAR:
        return None, strength
    # Rows go down and angles up; lines are at right angles to their waves.
    runs = -0.5 * np.degrees(np.arctan2(2 * xy, xx - yy))
    return float(np.round((runs + 180) % 180 - 90, 6)), strength
