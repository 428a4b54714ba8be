"""Gradients that are too long are shortened, all by the same factor."""

from __future__ import annotations

import math

import numpy as np

from core.arrays import Array, array_module, is_on_gpu
from core.nets.layer import Weights

# Squares in double precision of this many numbers stay in the cache.
_BLOCK = 1 << 14


def clip(gradients: Weights, longest: float) -> float | Array:
    """Scale all gradients in place so that together they are at most ``longest`` long.

    Parameters
    ----------
    gradients : mapping of name to array
        Written to if they are longer. Where the length is not finite they are left as they are.
    longest : float
        The largest Euclidean norm of all of them as one vector.

    Returns
    -------
    float
        The norm before, summed in double precision and in the order of the names; of arrays on
        a device it stays there, an array without axes.

    Notes
    -----
    R. Pascanu et al., "On the difficulty of training recurrent neural networks", 2013, algorithm 1.

    Examples
    --------
    >>> gradients = {"a": np.array([3.0]), "b": np.array([4.0])}
    >>> clip(gradients, 1.0), gradients
    (5.0, {'a': array([0.6]), 'b': array([0.8])})
    """
    if any(map(is_on_gpu, gradients.values())):
        return _clip_there(gradients, longest)
    found = norm(gradients)
    if longest < found < math.inf:
        for gradient in gradients.values():
            gradient *= longest / found
    return found


def _clip_there(gradients: Weights, longest: float) -> Array:
    # As the host does it, without a look at the norm.
    xp = array_module(*gradients.values())
    found = xp.sqrt(sum(xp.square(g, dtype=np.float64).sum() for g in gradients.values()))
    shortens = (found > longest) & xp.isfinite(found)
    factor = xp.where(shortens, longest / found, 1.0)
    for gradient in gradients.values():
        gradient *= factor.astype(gradient.dtype)
    return found


def norm(gradients: Weights) -> float:
    """Return the Euclidean norm of all arrays as one vector, summed in double precision.

    Examples
    --------
    >>> huge = norm({"a": np.array([3e30], "float32"), "b": np.array([4e30], "float32")})
    >>> round(huge / 5e30, 6)
    1.0
    """
    total = 0.0
    for gradient in gradients.values():
        flat = gradient.reshape(-1)
        for start in range(0, flat.size, _BLOCK):
            total += float(np.square(flat[start : start + _BLOCK], dtype=np.float64).sum())
    return math.sqrt(total)
