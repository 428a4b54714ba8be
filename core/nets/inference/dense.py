"""Dense layers and batch norms as sums of one image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from core.nets.inference.family import Family, Stages
from core.nets.inference.fusion import Operation, affine
from core.nets.inference.memory import Kept, Place
from core.nets.inference.sums import Axis, Filters, stage
from core.nets.layer import Shape
from core.nets.layers.batch_norm import BatchNormSpec


def suits(operation: Operation, incoming: Sequence[Shape]) -> bool:
    """Return that there is a kernel for every dense layer."""
    return True


def whole(operation: Operation, incoming: Sequence[Shape]) -> bool:
    """Return that inputs are read one by one."""
    return False


def calls(
    operation: Operation, sources: Sequence[Place], result: Place, kept: Kept, shares: int
) -> Stages:
    """Return the stage: a convolution with a kernel as large as the image."""
    (source,) = sources
    layout, weight = source.layout, operation.weights["weight"]
    weight = weight.reshape(len(weight), layout.channels, *layout.spatial)
    bias = operation.weights.get("bias", np.zeros(len(weight)))
    axes = [Axis(range(n), 0, 0, 0, 0, 1) for n in layout.spatial]
    return [stage(operation, Filters(axes, weight, bias), source, result, kept, shares)]


def batch_norm_suits(operation: Operation, incoming: Sequence[Shape]) -> bool:
    """Return whether channels are channels in memory too."""
    return incoming[0] == operation.shape


def batch_norm_calls(
    operation: Operation, sources: Sequence[Place], result: Place, kept: Kept, shares: int
) -> Stages:
    """Return the stage: a depthwise convolution with a kernel of one pixel."""
    (source,) = sources
    factor, constant = affine(cast(BatchNormSpec, operation.node.spec), operation.weights)
    axes = [Axis([0], 0, 1, 0, 1, n) for n in source.layout.spatial]
    weight = factor.reshape(-1, *(1,) * (1 + len(axes)))
    filters = Filters(axes, weight, constant, by_channel=True)
    return [stage(operation, filters, source, result, kept, shares)]


DENSE = Family(suits=suits, calls=calls, whole=whole)
BATCH_NORM = Family(suits=batch_norm_suits, calls=batch_norm_calls)
