"""Convolutions as sums of one image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from core.conv.codegen.target import host
from core.nets.inference.family import Family, Stages
from core.nets.inference.fusion import Operation
from core.nets.inference.memory import Kept, Place
from core.nets.inference.sums import Axis, Filters, stage
from core.nets.layer import Shape
from core.nets.layers.conv import ConvSpec, window_of

# The engine, which takes patches of the image as lanes, needs about as long to prepare itself.
MOST_IDLE = 1 << 24


def suits(operation: Operation, incoming: Sequence[Shape]) -> bool:
    """Return whether kernels can do it, and filters fill enough lanes.

    Zeros around the image must meet finite weights only, and the method must be free.
    """
    padded = any(border(operation, incoming))
    finite = bool(np.isfinite(operation.weights["weight"]).all())
    if _conv_spec(operation).method != "auto" or (padded and not finite):
        return False
    return _is_depthwise(operation, incoming[0]) or _idle(operation) < MOST_IDLE


def _idle(operation: Operation) -> int:
    """Return the multiply-adds of lanes without a filter."""
    weight, groups = operation.weights["weight"], _conv_spec(operation).groups
    idle: int = groups * unfilled(len(weight) // groups, weight.itemsize)
    idle *= math.prod((*operation.shape[1:], *weight.shape[1:]))
    return idle


def border(operation: Operation, incoming: Sequence[Shape]) -> Shape:
    """Return the padding."""
    return window_of(_conv_spec(operation), incoming[0]).padding


def room(operation: Operation, incoming: Sequence[Shape], lanes: int) -> int:
    """Return up to where the last group's whole vectors reach."""
    groups, filters = _conv_spec(operation).groups, operation.shape[0]
    if _is_depthwise(operation, incoming[0]):
        return filters
    beyond: int = -(filters // groups) % lanes
    return filters + beyond


def whole(operation: Operation, incoming: Sequence[Shape]) -> bool:
    """Return whether lanes are channels of the input too."""
    return _is_depthwise(operation, incoming[0])


def calls(
    operation: Operation, sources: Sequence[Place], result: Place, kept: Kept, shares: int
) -> Stages:
    """Return a stage for each group, or one for all channels of a depthwise convolution."""
    (source,) = sources
    spec, incoming = _conv_spec(operation), shape_of(source)
    window, weight, bias = (
        window_of(spec, incoming),
        operation.weights["weight"],
        bias_of(operation),
    )
    spatial = zip(
        window.kernel,
        window.stride,
        window.padding,
        window.dilation,
        operation.shape[1:],
        strict=True,
    )
    axes = [Axis(range(0, k * d, d), -p, s, 0, 1, n) for k, s, p, d, n in spatial]
    depthwise = _is_depthwise(operation, incoming)
    if depthwise or spec.groups == 1:
        filters = Filters(axes, weight, bias, by_channel=depthwise)
        return [stage(operation, filters, source, result, kept, shares)]
    # Whole vectors reach into the next group, whose call follows.
    split = zip(np.split(weight, spec.groups), np.split(bias, spec.groups), strict=True)
    return [
        stage(operation, Filters(axes, *own, group=group), source, result, kept, 1)
        for group, own in enumerate(split)
    ]


def bias_of(operation: Operation) -> NDArray[Any]:
    """Return the biases, zeros where there are none."""
    bias: NDArray[Any] = operation.weights.get("bias", np.zeros(operation.shape[0]))
    return bias


def shape_of(source: Place) -> Shape:
    """Return the shape ``(channels, *spatial)`` of a value in memory."""
    return (source.layout.channels, *source.layout.spatial)


def unfilled(filters: int, itemsize: int) -> int:
    """Return how many lanes of the last vector have no filter."""
    return -filters % host().lanes(itemsize)


def _conv_spec(operation: Operation) -> ConvSpec:
    return cast(ConvSpec, operation.node.spec)


def _is_depthwise(operation: Operation, incoming: Shape) -> bool:
    return _conv_spec(operation).groups == incoming[0] == operation.shape[0] > 1


CONV = Family(suits=suits, calls=calls, border=border, room=room, whole=whole)
