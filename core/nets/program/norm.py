"""Batch norm, and the rectifier after it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from core.arrays import Array
from core.conv.codegen import batch_norm
from core.conv.codegen.calls import Call
from core.conv.codegen.memory import address
from core.nets.graph import Node
from core.nets.layers.batch_norm import BatchNormSpec, moved
from core.nets.program.unit import Form, Place, Raw, Unit, always

# Numbers of the channels of a call: they are passed over several times, and should stay in a
# core's second cache beside what comes of them. More calls than this are not worth their start.
_BLOCK = 1 << 16
_CALLS = 16


def build(nodes: tuple[Node, ...], groups: Sequence[int], dtype: str) -> Unit:
    """Return the unit of a batch norm, or of one and the rectifier that reads it."""
    node, rectified = nodes[0], len(nodes) > 1
    spec = node.spec
    assert isinstance(spec, BatchNormSpec)
    channels, positions = node.shape[0], math.prod(node.shape[1:])
    count = positions * sum(groups)
    constants = batch_norm.constants_of(count, spec.epsilon, dtype)
    moments = np.zeros((2, channels), dtype)
    mean, variance = (address(row) for row in moments)
    # A row for each group: its length, and where its arrays are.
    there, back = np.zeros((len(groups), 3), np.int64), np.zeros((len(groups), 4), np.int64)
    step = max(1, _BLOCK // count, -(-channels // _CALLS))
    parts = [(first, min(first + step, channels)) for first in range(0, channels, step)]

    def forward(places: Sequence[Place]) -> list[Call]:
        there[:] = [(positions * at.images, at.xs[0], at.y) for at in places]
        weights = places[0].weights
        given = address(there), len(there), address(constants), weights["weight"], weights["bias"]
        function = batch_norm.kernel("normalize", dtype, rectified=rectified)
        return [(function, (*given, mean, variance, *part)) for part in parts]

    def backward(places: Sequence[Place]) -> list[Call]:
        first = places[0]
        wanted = int(node.wanted)
        back[:] = [(positions * at.images, at.xs[0], at.dy, at.dxs[0]) for at in places]
        weights, gradients = first.weights, first.gradients
        given = address(back), len(back), address(constants), mean, variance
        known = *given, weights["weight"], weights["bias"], gradients["weight"], gradients["bias"]
        function = batch_norm.kernel("differentiate", dtype, rectified=rectified)
        return [(function, (*known, *part, wanted)) for part in parts]

    def updates(state: Mapping[str, Array]) -> dict[str, Array]:
        return moved(spec, state, moments[0], moments[1], count)

    own = Raw((channels,), np.asarray)
    raw = {"weight": own, "bias": own}
    return Unit(
        nodes, forward, backward, whole=True, reads=frozenset("x"), raw=raw, updates=updates
    )


FORMS = (Form(("batch_norm", "relu"), always, build), Form(("batch_norm",), always, build))
