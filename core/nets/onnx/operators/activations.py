"""Relu, LeakyRelu, Elu, Gelu, Tanh, Sigmoid and Softmax."""

from __future__ import annotations

from collections.abc import Callable
from math import pi, prod

import numpy as np
from scipy import special

from core.arrays import Array
from core.conv.blocks import Check
from core.errors import InvalidInput
from core.nets.onnx.graph import Node
from core.nets.onnx.operator import Inputs, Operator
from core.nets.onnx.operators.axes import axis


def relu(node: Node, x: Array) -> Array:
    """Return ``max(x, 0)``; NaN stays NaN."""
    return np.maximum(x, x.dtype.type(0))


def leaky_relu(node: Node, x: Array) -> Array:
    """Return ``x``, and ``alpha x`` where it is negative."""
    return np.where(x < 0, x * x.dtype.type(node.attributes["alpha"]), x)


def elu(node: Node, x: Array) -> Array:
    """Return ``x``, and ``alpha (exp(x) - 1)`` where it is negative."""
    alpha = x.dtype.type(node.attributes["alpha"])
    return np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x)


def gelu(node: Node, x: Array) -> Array:
    """Return ``x`` times the normal distribution at ``x``, or the approximation by tanh."""
    half = x.dtype.type(0.5)
    if node.attributes["approximate"] == "tanh":
        inner = x.dtype.type((2 / pi) ** 0.5) * (x + x.dtype.type(0.044715) * x * x * x)
        return half * x * (1 + np.tanh(inner))
    return x * special.ndtr(x)


def tanh(node: Node, x: Array) -> Array:
    """Return the hyperbolic tangent."""
    return np.tanh(x)


def sigmoid(node: Node, x: Array) -> Array:
    """Return ``1 / (1 + exp(-x))``."""
    return special.expit(x)


def softmax(node: Node, x: Array) -> Array:
    """Return exponentials that sum to 1 along an axis; before version 13 over all from there."""
    place = axis(node, x.ndim)
    if node.version >= 13:
        return special.softmax(x, axis=place)
    flat = x.reshape(prod(x.shape[:place]), prod(x.shape[place:]))
    return special.softmax(flat, axis=1).reshape(x.shape)


def _known_approximation(node: Node) -> None:
    given = node.attributes["approximate"]
    if given not in ("none", "tanh"):
        raise InvalidInput(
            "no such approximation", field="approximate", given=given, accepted=["none", "tanh"]
        )


def _elementwise(function: Callable[[Node, Array], Array]) -> Callable[..., tuple[Array, ...]]:
    def run(node: Node, inputs: Inputs, check: Check) -> tuple[Array, ...]:
        (x,) = inputs
        return (function(node, x),)

    return run


RELU = Operator("Relu", _elementwise(relu))
LEAKY_RELU = Operator("LeakyRelu", _elementwise(leaky_relu), floating=True)
ELU = Operator("Elu", _elementwise(elu), floating=True)
GELU = Operator("Gelu", _elementwise(gelu), _known_approximation, floating=True)
TANH = Operator("Tanh", _elementwise(tanh), floating=True)
SIGMOID = Operator("Sigmoid", _elementwise(sigmoid), floating=True)
SOFTMAX = Operator("Softmax", _elementwise(softmax), floating=True)
