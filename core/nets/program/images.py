"""What is done to images before anything is learned from them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from core.conv.codegen.batch_last_images import kernel
from core.conv.codegen.calls import Call
from core.conv.codegen.memory import address
from core.nets.graph import Node
from core.nets.layers.standardize import StandardizeSpec
from core.nets.layers.whiten import WhitenSpec
from core.nets.program.unit import Form, Place, Unit


def whiten(nodes: tuple[Node, ...], groups: Sequence[int], dtype: str) -> Unit:
    """Return the unit of whitening without a filter."""
    spec, count = nodes[0].spec, math.prod(nodes[0].shape)
    assert isinstance(spec, WhitenSpec)
    numbers = np.array([count, spec.epsilon], dtype)

    def forward(places: Sequence[Place]) -> list[Call]:
        (at,) = places
        arguments = at.xs[0], at.y, address(numbers), count, at.images
        return [(kernel("whiten", dtype), arguments)]

    return Unit(nodes, forward)


def whitens(node: Node) -> bool:
    """Return whether the spectrum stays, and nobody wants a gradient."""
    return isinstance(node.spec, WhitenSpec) and node.spec.cut_off is None and not node.wanted


def standardize(nodes: tuple[Node, ...], groups: Sequence[int], dtype: str) -> Unit:
    """Return the unit of a standardization."""
    spec, (channels, *spatial) = nodes[0].spec, nodes[0].shape
    assert isinstance(spec, StandardizeSpec)
    known = np.empty((2, channels), dtype)
    known[0], known[1] = spec.mean, spec.std
    mean, deviation = (address(row) for row in known)

    def forward(places: Sequence[Place], kept: object = known) -> list[Call]:
        (at,) = places
        rest = mean, deviation, channels, math.prod(spatial) * at.images
        return [(kernel("standardize", dtype), (at.xs[0], at.y, *rest))]

    return Unit(nodes, forward)


def standardizes(node: Node) -> bool:
    """Return whether nobody wants a gradient."""
    return not node.wanted


FORMS = (
    Form(("whiten",), whitens, whiten),
    Form(("standardize",), standardizes, standardize),
)
