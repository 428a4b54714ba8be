"""Flatten, Reshape and Concat: other shapes for the same values."""

from __future__ import annotations

from math import prod

import numpy as np

from core.arrays import Array
from core.conv.blocks import Check
from core.errors import InvalidInput
from core.nets.onnx.graph import Node
from core.nets.onnx.operator import Inputs, Operator, bounded
from core.nets.onnx.operators.axes import axis


def flatten(node: Node, inputs: Inputs, check: Check) -> tuple[Array, ...]:
    """Return a matrix: the axes before ``axis`` are its rows."""
    (x,) = inputs
    assert x is not None
    place = axis(node, x.ndim, end=True)
    return (x.reshape(prod(x.shape[:place]), prod(x.shape[place:])),)


def reshape(node: Node, inputs: Inputs, check: Check) -> tuple[Array, ...]:
    """Return ``x`` in a shape where -1 is what is left and 0 (by default) what was there."""
    x, wanted = inputs
    assert x is not None
    assert wanted is not None
    if wanted.ndim != 1:
        raise InvalidInput("not a list of lengths", field="shape", given=wanted.tolist())
    shape = [int(n) for n in wanted]
    if not node.attributes.get("allowzero", 0):
        if any(n == 0 and place >= x.ndim for place, n in enumerate(shape)):
            raise InvalidInput(
                "0 takes the length of an axis that the input does not have",
                field="shape",
                given=shape,
                accepted=f"zeros at the first {x.ndim} places",
            )
        shape = [x.shape[place] if n == 0 else n for place, n in enumerate(shape)]
    elif 0 in shape and -1 in shape:
        raise InvalidInput("what is left beside 0 is not defined", field="shape", given=shape)
    return (x.reshape(shape),)


def concat(node: Node, inputs: Inputs, check: Check) -> tuple[Array, ...]:
    """Return the arrays, one after another along an axis."""
    arrays = [x for x in inputs if x is not None]
    place = axis(node, arrays[0].ndim)
    bounded([sum(x.size for x in arrays)])
    return (np.concatenate(arrays, axis=place),)


FLATTEN = Operator("Flatten", flatten)
RESHAPE = Operator("Reshape", reshape)
CONCAT = Operator("Concat", concat)
