"""The sum of two inputs, and the rectifier after it: the end of a residual block."""

from __future__ import annotations

import math
from collections.abc import Sequence

from core.conv.codegen.batch_last_pointwise import kernel
from core.conv.codegen.calls import Call
from core.nets.graph import Node
from core.nets.program.unit import Form, Place, Unit


def build(nodes: tuple[Node, ...], groups: Sequence[int], dtype: str) -> Unit:
    """Return the unit of a sum, or of one and the rectifier that reads it.

    A sum by itself has no gradient to compute: both inputs have that of the output.
    """
    numbers, rectified = math.prod(nodes[0].shape), len(nodes) > 1
    add = kernel("add_rectify" if rectified else "add", dtype)

    def forward(places: Sequence[Place]) -> list[Call]:
        (at,) = places
        return [(add, (*at.xs, at.y, numbers * at.images))]

    def backward(places: Sequence[Place]) -> list[Call]:
        (at,) = places
        into = next(dx for dx in at.dxs if dx)
        return [(kernel("mask", dtype), (at.y, at.dy, into, numbers * at.images))]

    if not rectified:
        return Unit(nodes, forward, passes=True)
    return Unit(nodes, forward, backward, reads=frozenset("y"), shares=True)


def takes(node: Node) -> bool:
    """Return whether there are two inputs, and not the same twice."""
    return node.layer.name != "add" or len(node.sources) == len(set(node.sources)) == 2


FORMS = (Form(("add", "relu"), takes, build), Form(("add",), takes, build))
