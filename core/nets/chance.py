"""Random numbers that follow from a counter, so that a device draws them without being told more.

A CUDA graph repeats a step with the same arguments; the number of the step is in the device's
memory, and everything drawn follows from it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from core.arrays import Array, array_module
from core.nets.layer import Shape

_HALF = 32


def bits(seed: tuple[int, ...], number: Array, shape: Shape) -> Array:
    """Return 32 random bits for every element of ``shape``, as uint64.

    "Squares" with four rounds (B. Widynski, "Squares: a fast counter-based RNG", 2020): the middle
    of squares of a counter times a key.

    Parameters
    ----------
    seed : tuple of int
        The key follows from it.
    number : array, int64
        Of the step, without axes; on the device that draws.
    shape : tuple of int
        Of what is drawn.

    Examples
    --------
    >>> bits((0, 1), np.array(7), (2,)) < 2**32
    array([ True,  True])
    """
    xp, key = array_module(number), _key(seed)
    size = int(np.prod(shape))
    counter = xp.arange(size, dtype=np.uint64)
    counter += number.astype(np.uint64) * np.uint64(size)
    y = counter * key
    z = y + key
    x = y.copy()
    for addend in (y, z, y):
        x = _swapped(x * x + addend)
    return ((x * x + z) >> np.uint64(_HALF)).reshape(shape)


def _swapped(x: Array) -> Array:
    return (x >> np.uint64(_HALF)) | (x << np.uint64(_HALF))


@lru_cache(maxsize=256)
def _key(seed: tuple[int, ...]) -> np.uint64:
    # Odd, so that no two counters have the same product.
    return np.uint64(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] | np.uint64(1))
