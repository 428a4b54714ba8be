"""How far the convolution of interpolated functions may be from that of the functions."""

from __future__ import annotations

from typing import Any

from core.arrays import Array, array_module, common_module
from core.irregular.sampled import Sampled


def error_bound(f: Sampled, g: Sampled, curvature: tuple[float, float] | None = None) -> Array:
    """Return how far ``f * g`` may be from the convolution of the functions that were sampled.

    Between points ``h`` apart a function with second derivatives up to ``m`` is no further than
    ``m h ** 2 / 8`` from the line, and the area between is no larger than ``m h ** 3 / 12``. By
    Young's inequality a convolution changes by no more than the area of one error times the
    height of the other function, nor than the height of the one times the area of the other.

    Parameters
    ----------
    f, g : Sampled
        N points and C functions; M points and one function.
    curvature : tuple of float, optional
        The largest second derivatives of the functions behind ``f`` and behind ``g``: then it is a
        bound. By default they are estimated, interval by interval, from the values next to it:
        then it is an estimate, and says nothing about what happens between the points.

    Returns
    -------
    ndarray, shape (C,)
        On the device of both.

    Raises
    ------
    InvalidInput
        The functions lie on different devices.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.linspace(0, 1, 11)
    >>> f = Sampled(t, (t * (1 - t))[:, None])  # second derivative -2
    >>> box = Sampled(np.array([0.0, 1.0]), np.ones((2, 1)))
    >>> error_bound(f, box).round(9).tolist(), error_bound(f, box, (2, 0)).round(9).tolist()
    ([0.001666667], [0.001666667])
    """
    common_module(f=f.t, g=g.t)
    given: Any = curvature or (None, None)
    f_height, f_area = _error(f, given[0])
    g_height, g_area = _error(g, given[1])
    return (
        _young(f_height, f_area, abs(g.y).max(axis=0), g.size())
        + _young(g_height, g_area, abs(f.y).max(axis=0), f.size())
        + _young(f_height, f_area, g_height, g_area)
    )


def _young(height: Array, area: Array, other_height: Array, other_area: Array) -> Array:
    return array_module(height).minimum(height * other_area, area * other_height)


def _error(f: Sampled, curvature: float | None) -> tuple[Array, Array]:
    """Return the greatest distance from the line, and the area between, for each function."""
    xp = array_module(f.y)
    h = xp.diff(f.t)[:, None]
    if curvature is None:
        slope = xp.diff(f.y, axis=0) / h
        bend = xp.zeros_like(f.y)
        bend[1:-1] = abs(2 * xp.diff(slope, axis=0) / (h[1:] + h[:-1]))
        most = xp.maximum(bend[:-1], bend[1:])
    else:
        most = xp.full((len(h), f.y.shape[1]), float(curvature))
    return (most * h**2).max(axis=0) / 8, (most * h**3).sum(axis=0) / 12
