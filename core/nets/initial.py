"""Where parameters start."""

from __future__ import annotations

import math

import numpy as np

from core.arrays import Array
from core.nets.layer import Parameter


def initial(parameter: Parameter, random: np.random.Generator) -> Array:
    """Return a parameter as it is before training, float32.

    Examples
    --------
    >>> initial(Parameter((2,), "ones"), np.random.default_rng(0))
    array([1., 1.], dtype=float32)
    """
    shape = parameter.shape
    match parameter.init:
        case "zeros":
            return np.zeros(shape, np.float32)
        case "ones":
            return np.ones(shape, np.float32)
        case "normal":
            # Small: what is learned of a word soon counts for more than where its vector started.
            return random.standard_normal(shape, np.float32) * np.float32(0.1)
        case "he":
            deviation = math.sqrt(2 / parameter.fan_in)
            return random.standard_normal(shape, np.float32) * np.float32(deviation)
        case "glorot":
            limit = math.sqrt(6 / (parameter.fan_in + parameter.fan_out))
            return random.uniform(-limit, limit, shape).astype(np.float32)
