"""Transposed convolutions as sums of one image.

Output ``q`` of an axis is the sum over the elements ``k`` of a filter for which
``(q + padding - k * dilation) / stride`` is whole, for that is the input which they meet. So
outputs fall into as many phases as the stride is long, each with elements of its own: with a stride
of 2, the even and the odd ones. A phase is an ordinary convolution whose outputs lie a stride
apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple, cast

import numpy as np

from core.nets.inference.convolutions import MOST_IDLE, bias_of, shape_of, unfilled
from core.nets.inference.family import Family, Stages
from core.nets.inference.fusion import Operation
from core.nets.inference.memory import Kept, Place
from core.nets.inference.sums import Axis, Filters, stage
from core.nets.layer import Shape
from core.nets.layers.conv_transpose import ConvTransposeSpec, window_of


class Phase(NamedTuple):
    """Outputs along an axis that see the same elements of the filters."""

    elements: list[int]
    axis: Axis


def suits(operation: Operation, incoming: Sequence[Shape]) -> bool:
    """Return whether zeros around the image meet finite weights only, and filters fill lanes.

    And whether every output sees an input: a stride longer than the filters leaves some out.
    """
    if not all(phase.elements for along in phases(operation, incoming[0]) for phase in along):
        return False
    groups, weight = _spec(operation).groups, operation.weights["weight"]
    taps = math.prod((*weight.shape[2:], *incoming[0][1:]))
    idle = unfilled(weight.shape[1], weight.itemsize) * len(weight) * taps
    padded = any(border(operation, incoming))
    return groups * idle < MOST_IDLE and (not padded or bool(np.isfinite(weight).all()))


def border(operation: Operation, incoming: Sequence[Shape]) -> Shape:
    """Return how far outside of the image the inputs of the outermost outputs are."""
    found = []
    for along, n in zip(phases(operation, incoming[0]), incoming[0][1:], strict=True):
        outside = [max(-tap, tap + axis.count - n) for _, axis in along for tap in axis.taps]
        found.append(max(0, *outside))
    return tuple(found)


def room(operation: Operation, incoming: Sequence[Shape], lanes: int) -> int:
    """Return up to where the last group's whole vectors reach."""
    beyond: int = -operation.weights["weight"].shape[1] % lanes
    return operation.shape[0] + beyond


def whole(operation: Operation, incoming: Sequence[Shape]) -> bool:
    """Return that inputs are read one by one."""
    return False


def calls(
    operation: Operation, sources: Sequence[Place], result: Place, kept: Kept, shares: int
) -> Stages:
    """Return a stage for each group and phase."""
    (source,) = sources
    groups = _spec(operation).groups
    weights = np.split(operation.weights["weight"], groups)
    biases = np.split(bias_of(operation), groups)
    stages: Stages = []
    for group, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        for chosen in product(*phases(operation, shape_of(source))):
            elements = [phase.elements for phase in chosen]
            own = weight.swapaxes(0, 1)[np.ix_(*map(range, weight.shape[1::-1]), *elements)]
            filters = Filters([phase.axis for phase in chosen], own, bias, group)
            # Whole vectors reach into the next group, whose calls follow.
            own_shares = shares if groups == 1 else 1
            stages.append(stage(operation, filters, source, result, kept, own_shares))
    return stages


def phases(operation: Operation, incoming: Shape) -> list[list[Phase]]:
    """Return the phases along each axis, for inputs ``(channels, *spatial)``."""
    window, out = window_of(_spec(operation), incoming), operation.shape[1:]
    steps = zip(window.kernel, window.stride, window.padding, window.dilation, out, strict=True)
    return [[_phase(first, *step) for first in range(min(step[1], step[-1]))] for step in steps]


def _phase(
    first: int, kernel: int, stride: int, padding: int, dilation: int, outputs: int
) -> Phase:
    meets = {k: first + padding - k * dilation for k in range(kernel)}
    elements = [k for k, place in meets.items() if place % stride == 0]
    taps = [meets[k] // stride for k in elements]
    return Phase(elements, Axis(taps, 0, 1, first, stride, len(range(first, outputs, stride))))


def _spec(operation: Operation) -> ConvTransposeSpec:
    return cast(ConvTransposeSpec, operation.node.spec)


CONV_TRANSPOSE = Family(suits=suits, calls=calls, border=border, room=room, whole=whole)
