"""Layers that take numbers one by one, or tensors as they are."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np

from core.arrays import Array
from core.conv.codegen import one_whiten
from core.edge.lowering.state import Lowering, sides
from core.edge.tensors import Buffer, Region, whole
from core.errors import InvalidInput
from core.nets.inference.fusion import Operation, activation_of, affine
from core.nets.layers.batch_norm import BatchNormSpec


def nonlinear(plan: Lowering, operation: Operation, inputs: list[Region]) -> Region:
    """Add a nonlinearity that could not be computed with the layer before."""
    (x,) = inputs
    ending = plan.activated(*activation_of(operation.node))
    return plan.step("activation", [x], _like(x), **ending)


def softmax(plan: Lowering, operation: Operation, inputs: list[Region]) -> Region:
    """Add a softmax over channels."""
    (x,) = inputs
    return plan.step("softmax", [x], _like(x))


def add(plan: Lowering, operation: Operation, inputs: list[Region]) -> Region:
    """Add a sum of tensors."""
    y = whole(plan.buffer(inputs[0].shape))
    return plan.step("add", inputs, y, **plan.ending(operation))


def concatenate(plan: Lowering, operation: Operation, inputs: list[Region]) -> Region:
    """Add a copy for each tensor, in order: whole vectors reach into the next one."""
    shape = sides(operation.shape)
    y = plan.buffer(shape, shape[0] - inputs[-1].shape[0])
    first = 0
    for x in inputs:
        plan.step("copy", [x], Region(y, x.shape, (first, 0, 0)))
        first += x.shape[0]
    return whole(y)


def batch_norm(plan: Lowering, operation: Operation, inputs: list[Region]) -> Region:
    """Add a scale and a shift for each channel, where no layer before can take them."""
    scale, shift = affine(cast(BatchNormSpec, operation.node.spec), operation.weights)
    return _scaled(plan, operation, inputs, scale, shift)


def standardize(plan: Lowering, operation: Operation, inputs: list[Region]) -> Region:
    """Add the scale and the shift that a mean and a deviation are."""
    spec: Any = operation.node.spec
    channels = inputs[0].shape[:1]
    mean, std = (np.broadcast_to(np.float64(v), channels) for v in (spec.mean, spec.std))
    return _scaled(plan, operation, inputs, 1 / std, -mean / std)


def whiten(plan: Lowering, operation: Operation, inputs: list[Region]) -> Region:
    """Add what brings an image to mean 0 and variance 1."""
    node, (x,) = operation.node, inputs
    spec: Any = node.spec
    if spec.cut_off is not None:
        raise InvalidInput(
            "a box does not flatten spectra",
            field=f"model.layers.{node.index}.cut_off",
            given=spec.cut_off,
            accepted="null",
        )
    constants = plan.array(one_whiten.constants("float32", math.prod(x.shape), spec.epsilon))
    return plan.step("normalize", [x], _like(x), epsilon=spec.epsilon, constants=constants)


def _scaled(
    plan: Lowering,
    operation: Operation,
    inputs: list[Region],
    scale: Array,
    shift: Array,
) -> Region:
    (x,) = inputs
    numbers = {"scale": plan.array(scale), "shift": plan.array(shift)}
    return plan.step("affine", [x], _like(x), **numbers, **plan.ending(operation))


def _like(x: Region) -> Region:
    return whole(Buffer(x.shape, x.buffer.pixel))
