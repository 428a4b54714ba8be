"""Gemm and MatMul."""

from __future__ import annotations

import numpy as np

from core.arrays import Array
from core.conv.blocks import Check
from core.errors import InvalidInput
from core.nets.onnx.graph import Node
from core.nets.onnx.operator import Inputs, Operator, bounded


def gemm(node: Node, inputs: Inputs, check: Check) -> tuple[Array, ...]:
    """Return ``alpha A B + beta C``, with A and B transposed where that is asked for."""
    a, b, c = (*inputs, None)[:3]
    assert a is not None
    assert b is not None
    if a.ndim != 2 or b.ndim != 2:
        raise InvalidInput(
            "Gemm multiplies matrices", given=[a.shape, b.shape], accepted="two axes each"
        )
    a = a.T if node.attributes["transA"] else a
    b = b.T if node.attributes["transB"] else b
    bounded((a.shape[0], b.shape[1]))
    y = a @ b
    y = _scaled(y, node.attributes["alpha"])
    if c is None:
        return (y,)
    return (y + _scaled(_spread(c, y), node.attributes["beta"]),)


def matmul(node: Node, inputs: Inputs, check: Check) -> tuple[Array, ...]:
    """Return the product of matrices, or of stacks of them, as NumPy's matmul does."""
    a, b = inputs
    assert a is not None
    assert b is not None
    if not a.ndim or not b.ndim:
        raise InvalidInput("MatMul needs at least one axis", given=[a.shape, b.shape])
    rows, columns = a.shape[-2:-1], b.shape[-1:] if b.ndim > 1 else ()
    bounded((*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), *rows, *columns))
    return (a @ b,)


def _scaled(x: Array, factor: float) -> Array:
    return x if factor == 1 else (x * factor).astype(x.dtype)


def _spread(c: Array, y: Array) -> Array:
    # In one direction only: C is broadcast to the product, never the product to C.
    if np.broadcast_shapes(c.shape, y.shape) != y.shape:
        raise InvalidInput("C does not fit the product", given=c.shape, accepted=str(y.shape))
    return c


GEMM = Operator("Gemm", gemm)
MATMUL = Operator("MatMul", matmul)
