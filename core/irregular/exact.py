"""The convolution of piecewise linear functions, by exact integrals."""

from __future__ import annotations

from core.arrays import Array, array_module, common_module, is_on_gpu
from core.conv.blocks import Check, never
from core.irregular.sampled import Sampled

# Knots of a block of abscissae, so that its arrays stay in the cache; on a GPU so many that all of
# it has work, and its memory room for them.
_KNOTS = 1 << 16
_KNOTS_ON_GPU = 1 << 22


def exact(f: Sampled, g: Sampled, at: Array, *, check: Check = never) -> Array:
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
        Where the result is wanted; on the device of both functions, as the result.
    check : callable
        Called often; raises to stop.

    Returns
    -------
    ndarray of float64, shape (T, C)
        After ``T (N + M) log(N + M)`` steps.

    Raises
    ------
    InvalidInput
        The functions and places lie on different devices.

    Examples
    --------
    >>> import numpy as np
    >>> box = Sampled(np.array([0.0, 1.0]), np.ones((2, 1)))
    >>> exact(box, box, np.array([-1.0, 0.0, 0.25, 1.0, 1.5, 2.0])).ravel().tolist()
    [0.0, 0.0, 0.25, 1.0, 0.5, 0.0]
    """
    found = common_module(f=f.t, g=g.t, at=at).empty((len(at), f.y.shape[1]))
    knots = _KNOTS_ON_GPU if is_on_gpu(at) else _KNOTS
    step = max(1, knots // (len(f.t) + len(g.t)))
    for start in range(0, len(at), step):
        check()
        found[start : start + step] = _block(f, g, at[start : start + step, None])
    return found


def _block(f: Sampled, g: Sampled, t: Array) -> Array:
    xp = array_module(t)
    # Where both are there; beyond, all knots fall together and add nothing.
    first = xp.maximum(f.t[0], t - g.t[-1])
    last = xp.maximum(xp.minimum(f.t[-1], t - g.t[0]), first)
    shape = (len(t), len(f.t))
    knots = xp.concatenate([xp.broadcast_to(f.t, shape), t - g.t], axis=1)
    knots = xp.sort(xp.clip(knots, first, last), axis=1)
    h = xp.diff(knots, axis=1)
    b = xp.interp(t - knots, g.t, g.y[:, 0])
    left, right = 2 * b[:, :-1] + b[:, 1:], b[:, :-1] + 2 * b[:, 1:]
    columns = []
    for y in f.y.T:
        a = xp.interp(knots, f.t, y)
        columns.append((h * (a[:, :-1] * left + a[:, 1:] * right)).sum(axis=1) / 6)
    return xp.stack(columns, axis=1)
