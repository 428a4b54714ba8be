"""The convolution of many uneven points by transforms of uneven points."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.conv.blocks import Check, never
from core.errors import InvalidInput, Unavailable
from core.irregular.sampled import Sampled

LEAST_TOLERANCE = 1e-10
_MOST_WAVES = 1 << 23
# Nodes of a stretch of a line, over which the finest wave turns by at most so many radians: the
# quadrature of Gauss is then exact to 1e-13.
_NODES, _TURN = 8, 4.0


def nonuniform(
    f: Sampled,
    g: Sampled,
    at: NDArray[np.float64],
    tolerance: float,
    *,
    check: Check = never,
) -> tuple[NDArray[np.float64], int]:
    """Return ``(f * g)(t)`` by the theorem: the product of the two Fourier transforms.

    The transforms of the lines between the points are taken by Gauss' quadrature at uneven nodes,
    and the way back leads to the wanted abscissae, both by non-uniform fast transforms [1]_. Waves
    beyond those that are computed are bounded by how much slopes change, and so many are taken
    that they stay within the tolerance.

    Parameters
    ----------
    f, g, at, check
        See `core.irregular.exact`.
    tolerance : float
        The largest error, as a share of the largest value that functions of such heights and
        areas can have; at least 1e-10.

    Returns
    -------
    y : ndarray of float64, shape (T, C)
    waves : int
        How many were computed.

    Raises
    ------
    InvalidInput
        So fine a result takes too many waves: the functions jump, or are rough.
    Unavailable
        The package finufft is not installed.

    References
    ----------
    .. [1] A. Barnett, J. Magland and L. af Klinteberg, "A parallel nonuniform fast Fourier
       transform library based on an exponential of semicircle kernel", SIAM Journal on Scientific
       Computing 41, 2019.
    """
    library = _library()
    # A ring on which the result just fits: where its ends meet it is 0.
    period = f.span + g.span
    waves = _needed(f, g, period, tolerance)
    n = 2 * waves + 1
    eps = max(tolerance / 10, 1e-14)
    finest = 2 * np.pi * waves / period
    check()
    ours = _transform(library, f, period, n, finest, eps)
    theirs = _transform(library, g, period, n, finest, eps)
    check()
    places = at - f.t[0] - g.t[0]
    inside = (places >= 0) & (places <= period)
    found = np.zeros((len(at), f.y.shape[1]))
    angles = 2 * np.pi * places[inside] / period
    back = library.nufft1d2(angles, ours * theirs / period, eps=eps, isign=1)
    found[inside] = np.atleast_2d(back).real.T
    return found, n


def _transform(
    library: Any, f: Sampled, period: float, n: int, finest: float, eps: float
) -> NDArray[np.complex128]:
    """Return the Fourier transform of each function, counted from its first point."""
    h = np.diff(f.t)
    pieces = np.maximum(np.ceil(h * finest / _TURN), 1).astype(np.int64)
    line = np.repeat(np.arange(len(h)), pieces)
    number = np.arange(len(line)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    roots, weights = np.polynomial.legendre.leggauss(_NODES)
    # Between 0 at the first and 1 at the last point of a line.
    share = (number[:, None] + (1 + roots) / 2) / pieces[line][:, None]
    places = f.t[line][:, None] - f.t[0] + share * h[line][:, None]
    lengths = (h / pieces)[line][:, None] * weights / 2
    values = f.y[line][:, None] * (1 - share)[..., None] + f.y[line + 1][:, None] * share[..., None]
    strengths = (values * lengths[..., None]).reshape(-1, f.y.shape[1]).T.astype(np.complex128)
    angles = 2 * np.pi * places.ravel() / period
    found = library.nufft1d1(angles, np.ascontiguousarray(strengths), n, eps=eps, isign=-1)
    transformed: NDArray[np.complex128] = np.atleast_2d(found)
    return transformed


def _needed(f: Sampled, g: Sampled, period: float, tolerance: float) -> int:
    """Return how many waves leave no more than the tolerance beyond them."""
    f_jumps, f_bends = _roughness(f)
    g_jumps, g_bends = _roughness(g)
    largest = np.minimum(f.size() * np.abs(g.y).max(), np.abs(f.y).max(axis=0) * g.size())
    wanted = tolerance / 2 * np.where(largest > 0, largest, 1)
    waves = 16
    while waves <= _MOST_WAVES:
        w = 2 * np.pi * waves / period
        # The integral of (jumps / w + bends / w ** 2), one times the other, from w on.
        beyond = (
            f_jumps * g_jumps / w
            + (f_jumps * g_bends + f_bends * g_jumps) / (2 * w**2)
            + f_bends * g_bends / (3 * w**3)
        ) / np.pi
        if (beyond <= wanted).all():
            return waves
        waves *= 2
    raise InvalidInput(
        "so exact a result takes too many waves, because the functions jump at their ends or are "
        "rough",
        field="tolerance",
        given=tolerance,
        accepted="more, or the method exact",
    )


def _roughness(f: Sampled) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return how much each function jumps at its ends, and how much its slope changes in all."""
    slope = np.diff(f.y, axis=0) / np.diff(f.t)[:, None]
    outside = np.zeros((1, f.y.shape[1]))
    bends = np.abs(np.diff(np.concatenate([outside, slope, outside]), axis=0)).sum(axis=0)
    return np.abs(f.y[0]) + np.abs(f.y[-1]), bends


def _library() -> Any:
    try:
        import finufft
    except ImportError:
        raise Unavailable(
            "non-uniform transforms need the package finufft",
            field="method",
            accepted="exact; or pip install 'convq[nonuniform]'",
        ) from None
    return finufft
