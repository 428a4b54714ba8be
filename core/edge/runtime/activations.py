"""Nonlinear functions of ``y``, in place; ``spare`` is as large, and may be overwritten.

``xp`` is NumPy, or CuPy where the arrays are on a GPU.
"""

from typing import Any

import numpy as np

_ZERO, _ONE = np.float32(0), np.float32(1)


def _relu(xp: "Any", y: "Any", spare: "Any", value: "Any") -> None:
    xp.maximum(y, _ZERO, out=y)


def _leaky_relu(xp: "Any", y: "Any", spare: "Any", value: "Any") -> None:
    xp.multiply(y, value, out=spare)
    xp.maximum(y, spare, out=y)


def _elu(xp: "Any", y: "Any", spare: "Any", value: "Any") -> None:
    xp.minimum(y, _ZERO, out=spare)
    xp.expm1(spare, out=spare)
    xp.multiply(spare, value, out=spare)
    xp.maximum(y, _ZERO, out=y)
    xp.add(y, spare, out=y)


def _tanh(xp: "Any", y: "Any", spare: "Any", value: "Any") -> None:
    xp.tanh(y, out=y)


def _sigmoid(xp: "Any", y: "Any", spare: "Any", value: "Any") -> None:
    # Far below 0 the exponential is infinite, and its inverse 0, as it should be.
    xp.negative(y, out=y)
    xp.exp(y, out=y)
    xp.add(y, _ONE, out=y)
    xp.reciprocal(y, out=y)


IN_PLACE = {
    "relu": _relu,
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
}
"""By name; ``value`` is the slope of ``leaky_relu`` and the alpha of ``elu``."""
