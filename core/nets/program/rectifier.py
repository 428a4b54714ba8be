"""A rectifier by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence

from core.conv.codegen.batch_last_pointwise import kernel
from core.conv.codegen.calls import Call
from core.nets.graph import Node
from core.nets.program.unit import Form, Place, Unit, always


def build(nodes: tuple[Node, ...], groups: Sequence[int], dtype: str) -> Unit:
    """Return the unit of a rectifier that no other unit has taken with it."""
    numbers = math.prod(nodes[0].shape)

    def forward(places: Sequence[Place]) -> list[Call]:
        (at,) = places
        return [(kernel("rectify", dtype), (at.xs[0], at.y, numbers * at.images))]

    def backward(places: Sequence[Place]) -> list[Call]:
        (at,) = places
        return [(kernel("mask", dtype), (at.y, at.dy, at.dxs[0], numbers * at.images))]

    return Unit(nodes, forward, backward, reads=frozenset("y"))


FORMS = (Form(("relu",), always, build),)
