"""The mean of each channel."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from core.conv.codegen.batch_last_images import kernel
from core.conv.codegen.calls import Call
from core.conv.codegen.memory import address
from core.nets.graph import Node
from core.nets.program.unit import Form, Place, Unit, always


def build(nodes: tuple[Node, ...], groups: Sequence[int], dtype: str) -> Unit:
    """Return the unit of a global average."""
    channels, *spatial = nodes[0].incoming[0]
    count = math.prod(spatial)
    numbers = np.array([count], dtype)

    def forward(places: Sequence[Place]) -> list[Call]:
        (at,) = places
        rest = address(numbers), channels, count, at.images
        return [(kernel("average", dtype), (at.xs[0], at.y, *rest))]

    def backward(places: Sequence[Place]) -> list[Call]:
        (at,) = places
        rest = address(numbers), channels, count, at.images
        return [(kernel("spread", dtype), (at.dy, at.dxs[0], *rest))]

    return Unit(nodes, forward, backward)


FORMS = (Form(("global_average_pool",), always, build),)
