"""Add, Sub, Div, Identity, Constant and, outside training, Dropout."""

from __future__ import annotations

import numpy as np

from core.arrays import Array
from core.conv.blocks import Check
from core.errors import InvalidInput
from core.nets.onnx.graph import Node
from core.nets.onnx.operator import Inputs, Operator, bounded


def add(node: Node, inputs: Inputs, check: Check) -> tuple[Array, ...]:
    """Return the sum, with axes of length 1 repeated as NumPy does it."""
    a, b = _pair(inputs)
    return (a + b,)


def subtract(node: Node, inputs: Inputs, check: Check) -> tuple[Array, ...]:
    """Return the difference, with axes of length 1 repeated as NumPy does it."""
    a, b = _pair(inputs)
    return (a - b,)


def divide(node: Node, inputs: Inputs, check: Check) -> tuple[Array, ...]:
    """Return the quotient, of integers cut towards zero; axes of length 1 are repeated."""
    a, b = _pair(inputs)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if not np.issubdtype(a.dtype, np.integer):
            return (a / b,)
        quotient = a // b
        # NumPy rounds down.
        inexact = (quotient * b != a) & ((a < 0) != (b < 0))
        return (quotient + inexact.astype(quotient.dtype),)


def identity(node: Node, inputs: Inputs, check: Check) -> tuple[Array, ...]:
    """Return what comes in."""
    return (inputs[0],)


def constant(node: Node, inputs: Inputs, check: Check) -> tuple[Array, ...]:
    """Return the array, number or list of numbers in the node's attributes."""
    ((name, value),) = node.attributes.items()
    return (np.asarray(value, _CONSTANTS[name]),)


def dropout(node: Node, inputs: Inputs, check: Check) -> tuple[Array, ...]:
    """Return what comes in and, if it is wanted, that all of it was kept."""
    x, _, training = (*inputs, None, None)[:3]
    assert x is not None
    if training is not None and training:
        raise InvalidInput(
            "dropout is not trained here", field="training_mode", given=True, accepted="false"
        )
    # Before version 10 the mask had the type of the input.
    kept = np.ones(x.shape, bool if node.version >= 10 else x.dtype)
    return (x, kept)


def _pair(inputs: Inputs) -> tuple[Array, Array]:
    a, b = inputs
    assert a is not None
    assert b is not None
    bounded(np.broadcast_shapes(a.shape, b.shape))
    return a, b


def _refuse_text(node: Node) -> None:
    names = list(node.attributes)
    if len(names) != 1 or names[0] not in _CONSTANTS:
        raise InvalidInput(
            "no constant that convq knows", field="value", given=names, accepted=list(_CONSTANTS)
        )


_CONSTANTS = {
    "value": None,
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
}

ADD = Operator("Add", add)
SUB = Operator("Sub", subtract)
DIV = Operator("Div", divide)
IDENTITY = Operator("Identity", identity)
CONSTANT = Operator("Constant", constant, _refuse_text)
DROPOUT = Operator("Dropout", dropout)
