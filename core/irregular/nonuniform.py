"""The convolution of many uneven points by transforms of uneven points."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.arrays import Array, common_module, to_numpy
from core.conv.blocks import Check, cores, never
from core.errors import InvalidInput, Unavailable
from core.irregular.sampled import Sampled
from core.nets.blas import one_thread

LEAST_TOLERANCE = 1e-10
_MOST_WAVES = 1 << 23
# What a wave and its conjugate take of each function: both transforms, what they are made of, and
# the finer grid of finufft.
_WAVE_BYTES = 256
# Nodes of a stretch of a line, over which the finest wave turns by at most so many radians: the
# quadrature of Gauss is then exact to 1e-13.
_NODES, _TURN = 8, 4.0
# What transforms are asked for at most.
_LEAST_EPS = 1e-13
# By how much more waves are tried, until they are enough.
_MORE = 1.5
# Waves for which another thread is worth being woken: with fewer, threads wait more than they work.
_WORTH_A_THREAD = 1 << 18
# Into how many cells the reach of a corner is cut.
_CELLS = 2


def nonuniform(
    f: Sampled,
    g: Sampled,
    at: Array,
    tolerance: float,
    *,
    memory_cap: int | None = None,
    check: Check = never,
) -> tuple[Array, int]:
    """Return ``(f * g)(t)`` by the theorem: the product of the two Fourier transforms.

    The Fourier transform of lines between points is known by the corners: where the slope changes
    by ``a`` at ``t`` it has ``-a exp(-i w t) / w ** 2``, and where the function jumps by ``b`` it
    has ``b exp(-i w t) / (i w)``. For the longest waves, where this would divide by next to
    nothing, it is taken by Gauss' quadrature at nodes along the lines. Both sums and the way back
    to the wanted abscissae are non-uniform fast transforms [1]_. So many waves are taken that
    those beyond are bounded by the tolerance.

    These transforms are those of finufft, on the processor: what lies on a GPU is brought to the
    host first, and the result is brought back.

    Parameters
    ----------
    f, g, at, check
        See `core.irregular.exact`.
    tolerance : float
        The largest error, as a share of the largest value that functions of such heights and
        areas can have; at least 1e-10.
    memory_cap : int, optional
        Bytes that the waves may take.

    Returns
    -------
    y : ndarray of float64, shape (T, C)
    waves : int
        How many were computed.

    Raises
    ------
    InvalidInput
        So fine a result takes too many waves, or more than `memory_cap`: the functions jump, or are
        rough. Or functions and places lie on different devices.
    Unavailable
        The package finufft is not installed.

    References
    ----------
    .. [1] A. Barnett, J. Magland and L. af Klinteberg, "A parallel nonuniform fast Fourier
       transform library based on an exponential of semicircle kernel", SIAM Journal on Scientific
       Computing 41, 2019.
    """
    xp = common_module(f=f.t, g=g.t, at=at)
    library = _library()
    f, g, at = f.on_host(), g.on_host(), to_numpy(at)
    # A ring on which the result just fits: where its ends meet it is 0.
    period = f.span + g.span
    most = _MOST_WAVES
    if memory_cap is not None:
        most = min(most, memory_cap // (_WAVE_BYTES * f.y.shape[1]))
    with one_thread():
        waves = _needed(f, g, period, tolerance, most)
    eps = max(tolerance / 10, _LEAST_EPS)
    check()
    ours = _transform(library, f, period, waves, eps)
    theirs = _transform(library, g, period, waves, eps)
    check()
    places = at - f.t[0] - g.t[0]
    inside = (places >= 0) & (places <= period)
    found = np.zeros((len(at), f.y.shape[1]))
    angles = 2 * np.pi * places[inside] / period
    spectrum, options = ours * theirs / period, _options(waves, eps)
    back = library.nufft1d2(angles, spectrum, isign=1, **options)
    found[inside] = np.atleast_2d(back).real.T
    return xp.asarray(found), 2 * waves + 1


def _transform(
    library: Any, f: Sampled, period: float, waves: int, eps: float
) -> NDArray[np.complex128]:
    """Return the Fourier transform of each function, counted from its first point."""
    unit = 2 * np.pi / period
    bends, heights = np.abs(_corners(f)).sum(axis=0), np.abs(f.y).max(axis=0)
    # An error of the sum over corners that is as large as ``eps`` of all bends is, from a wave of
    # this frequency on, as large as ``eps`` of the heights.
    steep = float((bends / np.where(heights > 0, heights, 1)).max()) / np.pi
    # For such waves a line of mean length has nodes without being cut.
    least = max(_TURN * (len(f.t) - 1) / f.span, steep * _LEAST_EPS / eps)
    long = min(math.ceil(least / unit), waves)
    # A constant has no bends.
    share = least / steep if steep > least else 1.0
    transformed = _by_corners(library, f, unit, waves, eps * share)
    transformed[:, waves - long : waves + long + 1] = _by_nodes(library, f, unit, long, eps)
    return transformed


def _by_corners(
    library: Any, f: Sampled, unit: float, waves: int, eps: float
) -> NDArray[np.complex128]:
    """Return the transform for all but the longest waves, for which it is not exact."""
    places = f.t - f.t[0]
    strengths = np.ascontiguousarray(_corners(f).T, np.complex128)
    n, options = 2 * waves + 1, _options(waves, eps)
    found = library.nufft1d1(unit * places, strengths, n, isign=-1, **options)
    w = unit * np.arange(-waves, waves + 1)
    w[waves] = 1  # which the quadrature replaces
    ends = f.y[-1][:, None] * np.exp(-1j * w * f.span) - f.y[0][:, None]
    transformed: NDArray[np.complex128] = (1j * ends - np.atleast_2d(found) / w) / w
    return transformed


def _by_nodes(
    library: Any, f: Sampled, unit: float, waves: int, eps: float
) -> NDArray[np.complex128]:
    """Return the transform by quadrature, which takes more nodes the shorter waves are."""
    h = np.diff(f.t)
    pieces = np.maximum(np.ceil(h * unit * waves / _TURN), 1).astype(np.int64)
    line = np.repeat(np.arange(len(h)), pieces)
    number = np.arange(len(line)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    roots, weights = np.polynomial.legendre.leggauss(_NODES)
    # Between 0 at the first and 1 at the last point of a line.
    share = (number[:, None] + (1 + roots) / 2) / pieces[line][:, None]
    places = f.t[line][:, None] - f.t[0] + share * h[line][:, None]
    lengths = (h / pieces)[line][:, None] * weights / 2
    values = f.y[line][:, None] * (1 - share)[..., None] + f.y[line + 1][:, None] * share[..., None]
    each = (values * lengths[..., None]).reshape(-1, f.y.shape[1])
    strengths = np.ascontiguousarray(each.T, np.complex128)
    n, options = 2 * waves + 1, _options(waves, eps)
    found = library.nufft1d1(unit * places.ravel(), strengths, n, isign=-1, **options)
    transformed: NDArray[np.complex128] = np.atleast_2d(found)
    return transformed


def _options(waves: int, eps: float) -> dict[str, Any]:
    return {"eps": eps, "nthreads": min(cores(), 1 + waves // _WORTH_A_THREAD)}


def _needed(f: Sampled, g: Sampled, period: float, tolerance: float, most: int) -> int:
    """Return how many waves, of ``most``, leave no more than the tolerance beyond them.

    With the sum ``S(w)`` over the corners of a function, and how much it jumps at its ends, its
    transform is no larger than ``|S| / w ** 2 + jumps / w``. `_energy` bounds the sums of
    ``|S| ** 2`` up to any wave, and with them, by the inequality of Cauchy and Schwarz, those of
    ``|S|`` and of the products of two; Abel's summation makes of these sums with the powers of
    ``w``.
    """
    f_jumps, g_jumps = (np.abs(one.y[0]) + np.abs(one.y[-1]) for one in (f, g))
    largest = np.minimum(f.size() * np.abs(g.y).max(), np.abs(f.y).max(axis=0) * g.size())
    wanted = tolerance / 2 * np.where(largest > 0, largest, 1)
    waves = 16
    while waves <= most:
        w = 2 * np.pi * waves / period
        ours, theirs = _energy(f, period, waves), _energy(g, period, waves)
        beyond = (
            f_jumps * g_jumps * waves / w**2
            + np.sqrt(waves) * (f_jumps * np.sqrt(theirs) + np.sqrt(ours) * g_jumps) / w**3 * 3 / 2
            + np.sqrt(ours * theirs) / w**4 * 4 / 3
        ) * (2 / period)
        if (beyond <= wanted).all():
            return waves
        waves = int(waves * _MORE)
    raise InvalidInput(
        f"so exact a result takes more than {most} waves, because the functions jump at their ends "
        "or are rough",
        field="tolerance",
        given=tolerance,
        accepted="more, or the method exact",
    )


def _energy(f: Sampled, period: float, waves: int) -> NDArray[np.float64]:
    """Bound the sum of ``|S| ** 2`` over waves 1 to ``waves``, which grows no faster than these.

    Weights ``(sin(z) / z) ** 2`` with ``z = pi n / (2 waves)`` are at least ``4 / pi ** 2`` up to
    ``waves``. The sum of the weighted ``|S| ** 2`` over all integers is a double sum over corners,
    in which two count by how near they are: by a triangle that ends at ``period / (2 waves)``. It
    is bounded by that over cells of a ring, whose corners are taken to lie at the near ends.
    """
    cells = 2 * waves * _CELLS
    at = ((f.t - f.t[0]) * (cells / period)).astype(np.int64) % cells
    bounds = []
    for corners in np.abs(_corners(f)).T:
        held = np.bincount(at, corners, cells)
        summed = float(held @ held)
        for apart in range(1, _CELLS + 1):
            near = held[apart:] @ held[:-apart] + held[:apart] @ held[-apart:]
            summed += 2 * (1 - (apart - 1) / _CELLS) * float(near)
        bounds.append(np.pi**2 / 4 * waves * summed)
    return np.array(bounds)


def _corners(f: Sampled) -> NDArray[np.float64]:
    """Return by how much the slope of each function changes at each of its points."""
    slope = np.diff(f.y, axis=0) / np.diff(f.t)[:, None]
    outside = np.zeros((1, f.y.shape[1]))
    corners: NDArray[np.float64] = np.diff(np.concatenate([outside, slope, outside]), axis=0)
    return corners


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
