"""Values left out by chance."""

from __future__ import annotations

import math
from collections.abc import Sequence

from core.conv.blocks import cores, for_each, never
from core.conv.codegen.batch_last_pointwise import kernel
from core.conv.codegen.calls import Call
from core.conv.codegen.memory import address, empty
from core.nets.graph import Node
from core.nets.layers.dropout import DropoutSpec, factors
from core.nets.program.unit import Draw, Form, Place, Unit, always

# So many random numbers take longer than to wake a thread.
_WORTH_A_THREAD = 1 << 17


def build(nodes: tuple[Node, ...], groups: Sequence[int], dtype: str) -> Unit:
    """Return the unit of dropout: what is left out is drawn before a step, for every group."""
    node = nodes[0]
    spec, numbers = node.spec, math.prod(node.shape)
    assert isinstance(spec, DropoutSpec)
    kept = [empty((*node.shape, images), dtype) for images in groups]
    workers = cores() if numbers * sum(groups) > _WORTH_A_THREAD else 1

    def draw(random: Draw) -> None:
        def draw_one(group: int) -> None:
            into = kept[group]
            into[:] = factors(spec, into.shape, into.dtype, random(node, group))

        for_each(draw_one, range(len(kept)), never, workers)

    def multiply(at: Place, array: int, out: int) -> list[Call]:
        given = array, address(kept[at.group]), out, numbers * at.images
        return [(kernel("multiply", dtype), given)]

    def forward(places: Sequence[Place]) -> list[Call]:
        (at,) = places
        return multiply(at, at.xs[0], at.y)

    def backward(places: Sequence[Place]) -> list[Call]:
        (at,) = places
        return multiply(at, at.dy, at.dxs[0])

    return Unit(nodes, forward, backward, draw=draw)


FORMS = (Form(("dropout",), always, build),)
