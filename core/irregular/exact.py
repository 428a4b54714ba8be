"""The convolution of piecewise linear functions, by exact integrals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.conv.blocks import Check, never
from core.irregular.sampled import Sampled

# Knots of a block of abscissae, so that its arrays stay in the cache.
_KNOTS = 1 << 16


def exact(
    f: Sampled, g: Sampled, at: NDArray[np.float64], *, check: Check = never
) -> NDArray[np.float64]:
    """Return ``(f * g)(t) = integral of f(s) g(t - s) ds``, up to rounding.

    Between the abscissae of ``f`` and those of ``g`` that were turned round and moved to ``t``,
    the product of the two lines is a parabola, whose integral is known.

    Parameters
    ----------
    f : Sampled
        N points, C functions.
    g : Sampled
        M points, one function.
    at : ndarray of float64, shape (T,)
        Where the result is wanted.
    check : callable
        Called often; raises to stop.

    Returns
    -------
    ndarray of float64, shape (T, C)
        After ``T (N + M) log(N + M)`` steps.

    Examples
    --------
    >>> box = Sampled(np.array([0.0, 1.0]), np.ones((2, 1)))
    >>> exact(box, box, np.array([-1.0, 0.0, 0.25, 1.0, 1.5, 2.0])).ravel().tolist()
    [0.0, 0.0, 0.25, 1.0, 0.5, 0.0]
    """
    found = np.empty((len(at), f.y.shape[1]))
    step = max(1, _KNOTS // (len(f.t) + len(g.t)))
    for start in range(0, len(at), step):
        check()
        found[start : start + step] = _block(f, g, at[start : start + step, None])
    return found


def _block(f: Sampled, g: Sampled, t: NDArray[np.float64]) -> NDArray[np.float64]:
    # Where both are there; beyond, all knots fall together and add nothing.
    first = np.maximum(f.t[0], t - g.t[-1])
    last = np.maximum(np.minimum(f.t[-1], t - g.t[0]), first)
    shape = (len(t), len(f.t))
    knots = np.concatenate([np.broadcast_to(f.t, shape), t - g.t], axis=1)
    knots = np.sort(np.clip(knots, first, last), axis=1)
    h = np.diff(knots, axis=1)
    b = np.interp(t - knots, g.t, g.y[:, 0])
    left, right = 2 * b[:, :-1] + b[:, 1:], b[:, :-1] + 2 * b[:, 1:]
    columns = []
    for y in f.y.T:
        a = np.interp(knots, f.t, y)
        columns.append((h * (a[:, :-1] * left + a[:, 1:] * right)).sum(axis=1) / 6)
    return np.stack(columns, axis=1)
