"""Operations without kernels: the layers' own ``forward``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from core.arrays import Array
from core.nets.inference.fusion import Operation, own_weights
from core.nets.layer import Context, Weights

Values: TypeAlias = dict[int, Array]
"""Arrays ``(*shape, 1)`` by the number of the layer that made them."""

Step: TypeAlias = Callable[[Values], None]
"""Reads values and adds values, its own or those of kernels in memory of their own."""


def forward_of(step: Operation, weights: Weights, made: Mapping[int, Array]) -> Step:
    """Return a step that computes an operation by the layers' own ``forward``.

    Values that kernels have made are read where they lie, ``made``.
    """
    own = [
        {name: array.copy() for name, array in own_weights(node, weights).items()}
        for node in step.nodes
    ]
    first = step.nodes[0]

    def forward(values: Values) -> None:
        found = [
            (made[source] if source in made else values[source]).reshape(*shape, 1)
            for source, shape in zip(step.sources, first.incoming, strict=True)
        ]
        for node, arrays in zip(step.nodes, own, strict=True):
            y, _ = node.layer.forward(node.spec, found, arrays, Context(state=arrays))
            found = [y]
        values[step.result] = found[0]

    return forward
