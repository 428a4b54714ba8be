"""The largest value in each window, and of a rectifier before it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from core.conv.codegen.batch_last_pointwise import kernel
from core.conv.codegen.calls import Call
from core.conv.codegen.max_pool import MOST_TAPS, prepared
from core.nets.graph import Node
from core.nets.layers.max_pool import MaxPoolSpec
from core.nets.program.unit import Form, Place, Unit
from core.nets.window import Window, pooling_window


def build(nodes: tuple[Node, ...], groups: Sequence[int], dtype: str) -> Unit:
    """Return the unit of a pooling layer, or of a rectifier and the pooling that reads it.

    The largest of what is rectified is the largest, rectified: of a quarter of the numbers where
    windows are 2 by 2. Where values are equal, they are 0 and have no gradient, or were equal
    before.
    """
    node, rectified = nodes[-1], len(nodes) > 1
    window = _window(node)
    steps = dtype, window.kernel, window.stride
    runs = {
        (name, images): prepared(name, (*node.incoming[0], images), *steps, rectified=rectified)
        for name in ("largest", "to_largest")
        for images in groups
    }

    def forward(places: Sequence[Place]) -> list[Call]:
        (at,) = places
        run = runs["largest", at.images]
        return [(run.function, (at.xs[0], 0, at.y, *run.lengths))]

    def backward(places: Sequence[Place]) -> list[Call]:
        (at,) = places
        run = runs["to_largest", at.images]
        zeros = (kernel("fill", dtype), (at.dxs[0], math.prod(node.incoming[0]) * at.images))
        call = (run.function, (at.xs[0], at.dy, at.dxs[0], *run.lengths))
        return [call] if run.once else [zeros, call]

    return Unit(nodes, forward, backward, reads=frozenset("x"))


def takes(node: Node) -> bool:
    """Return whether windows are small, of rows and columns, and see no padding."""
    if not isinstance(node.spec, MaxPoolSpec):
        return True
    window = _window(node)
    few = len(window.kernel) <= 2 and math.prod(window.kernel) <= MOST_TAPS
    return few and not any(window.padding)


def _window(node: Node) -> Window:
    spec = node.spec
    assert isinstance(spec, MaxPoolSpec)
    return pooling_window(node.incoming[0], spec.kernel, spec.stride, spec.padding)


FORMS = (Form(("relu", "max_pool"), takes, build), Form(("max_pool",), takes, build))
