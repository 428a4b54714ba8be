"""Nonlinear functions of ``y``, in place; ``spare`` is as large, and may be overwritten."""

from typing import Any

import numpy as np

_ZERO, _ONE = np.float32(0), np.float32(1)


def _relu(y: "np.ndarray[Any, Any]", spare: "np.ndarray[Any, Any]", value: "Any") -> None:
    np.maximum(y, _ZERO, out=y)


def _leaky_relu(y: "np.ndarray[Any, Any]", spare: "np.ndarray[Any, Any]", value: "Any") -> None:
    np.multiply(y, value, out=spare)
    np.maximum(y, spare, out=y)


def _elu(y: "np.ndarray[Any, Any]", spare: "np.ndarray[Any, Any]", value: "Any") -> None:
    np.minimum(y, _ZERO, out=spare)
    np.expm1(spare, out=spare)
    np.multiply(spare, value, out=spare)
    np.maximum(y, _ZERO, out=y)
    np.add(y, spare, out=y)


def _tanh(y: "np.ndarray[Any, Any]", spare: "np.ndarray[Any, Any]", value: "Any") -> None:
    np.tanh(y, out=y)


def _sigmoid(y: "np.ndarray[Any, Any]", spare: "np.ndarray[Any, Any]", value: "Any") -> None:
    # Far below 0 the exponential is infinite, and its inverse 0, as it should be.
    np.negative(y, out=y)
    np.exp(y, out=y)
    np.add(y, _ONE, out=y)
    np.reciprocal(y, out=y)


IN_PLACE = {
    "relu": _relu,
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
}
"""By name; ``value`` is the slope of ``leaky_relu`` and the alpha of ``elu``."""
