"""A dense layer, with its bias and a rectifier after it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.conv.codegen.batch_last_pointwise import kernel
from core.conv.codegen.calls import Call
from core.nets.graph import Node
from core.nets.layers.dense import DenseSpec
from core.nets.program.products import product
from core.nets.program.unit import Form, Place, Raw, Unit, always


def build(nodes: tuple[Node, ...], groups: Sequence[int], dtype: str) -> Unit:
    """Return the unit of a dense layer, or of one and the rectifier that reads it.

    The rectifier's gradient goes to scratch memory first, as that of a convolution does.
    """
    node, rectified = nodes[0], len(nodes) > 1
    spec = node.spec
    assert isinstance(spec, DenseSpec)
    (features,), (count,) = node.shape, node.incoming[0]
    raw = {name: Raw(parameter.shape, np.asarray) for name, parameter in node.parameters.items()}

    def forward(places: Sequence[Place]) -> list[Call]:
        (at,) = places
        size = features, at.images, count
        calls = [product(dtype, size, at.weights["weight"], at.xs[0], at.y)]
        if spec.bias:
            name = "shift_rectify" if rectified else "shift"
            calls.append((kernel(name, dtype), (at.y, at.weights["bias"], features, at.images)))
        return calls

    def backward(places: Sequence[Place]) -> list[Call]:
        (at,) = places
        slope = at.scratch if rectified else at.dy
        calls: list[Call] = []
        if rectified:
            arguments = at.y, at.dy, slope, at.gradients["bias"], features, at.images
            calls.append((kernel("mask_sum", dtype), arguments))
        elif spec.bias:
            bias = at.gradients["bias"]
            calls.append((kernel("sum", dtype), (slope, bias, features, at.images)))
        size, into = (features, count, at.images), at.gradients["weight"]
        calls.append(product(dtype, size, slope, at.xs[0], into, transposed="b"))
        if node.wanted:
            size, weight = (count, at.images, features), at.weights["weight"]
            calls.append(product(dtype, size, weight, slope, at.dxs[0], transposed="a"))
        return calls

    return Unit(
        nodes,
        forward,
        backward,
        reads=frozenset("xy" if rectified else "x"),
        raw=raw,
        scratch=max(groups) * features * np.dtype(dtype).itemsize if rectified else 0,
    )


def has_bias(node: Node) -> bool:
    """Return whether there is a bias, with which a rectifier shares a kernel."""
    return not isinstance(node.spec, DenseSpec) or node.spec.bias


FORMS = (Form(("dense", "relu"), has_bias, build), Form(("dense",), always, build))
