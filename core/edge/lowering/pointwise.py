"""Layers that take numbers one by one, or tensors as they are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from core.edge.fusion import Numbers, activation, scale_and_shift
from core.edge.lowering.state import Lowering, Value, sides
from core.edge.tensors import Buffer, Region, whole
from core.errors import InvalidInput
from core.nets.graph import Node


def nonlinear(plan: Lowering, node: Node, chain: list[Node], inputs: list[Value]) -> Value:
    """Add a nonlinearity that could not be computed with the layer before."""
    spec: Any = node.spec
    x = inputs[0].region
    y = Buffer(x.shape, x.buffer.pixel)
    value = float(getattr(spec, "slope", getattr(spec, "alpha", 0.0)))
    return plan.step("activation", [x], whole(y), act=[node.layer.name, value])


def softmax(plan: Lowering, node: Node, chain: list[Node], inputs: list[Value]) -> Value:
    """Add a softmax over channels."""
    x = inputs[0].region
    return plan.step("softmax", [x], whole(Buffer(x.shape, x.buffer.pixel)))


def add(plan: Lowering, node: Node, chain: list[Node], inputs: list[Value]) -> Value:
    """Add a sum of tensors."""
    regions = [value.region for value in inputs]
    y = plan.buffer(regions[0].shape)
    return plan.step("add", regions, whole(y), act=activation(chain))


def concatenate(plan: Lowering, node: Node, chain: list[Node], inputs: list[Value]) -> Value:
    """Add a copy for each tensor."""
    y = plan.buffer(sides(node.shape))
    first = 0
    for value in inputs:
        shape = value.region.shape
        plan.step("copy", [value.region], Region(y, shape, (first, 0, 0)))
        first += shape[0]
    return Value(whole(y))


def batch_norm(plan: Lowering, node: Node, chain: list[Node], inputs: list[Value]) -> Value:
    """Add a scale and a shift for each channel, where no layer before can take them."""
    return _scaled(plan, inputs[0].region, *scale_and_shift(node, plan.weights))


def standardize(plan: Lowering, node: Node, chain: list[Node], inputs: list[Value]) -> Value:
    """Add the scale and the shift that a mean and a deviation are."""
    spec: Any = node.spec
    x = inputs[0].region
    mean, std = (np.broadcast_to(np.float64(v), x.shape[:1]) for v in (spec.mean, spec.std))
    return _scaled(plan, x, (1 / std).astype(np.float32), (-mean / std).astype(np.float32))


def whiten(plan: Lowering, node: Node, chain: list[Node], inputs: list[Value]) -> Value:
    """Add what brings an image to mean 0 and variance 1."""
    spec: Any = node.spec
    if getattr(spec, "cut_off", None) is not None:
        raise InvalidInput(
            "a box does not flatten spectra",
            field=f"model.layers.{node.index}.cut_off",
            given=spec.cut_off,
            accepted="null",
        )
    x = inputs[0].region
    y = whole(Buffer(x.shape, x.buffer.pixel))
    count = math.prod(x.shape)
    constants = plan.array([1 / count, spec.epsilon, 1.0])
    return plan.step("normalize", [x], y, epsilon=spec.epsilon, constants=constants)


def _scaled(plan: Lowering, x: Region, scale: Numbers, shift: Numbers) -> Value:
    y = whole(Buffer(x.shape, x.buffer.pixel))
    return plan.step("affine", [x], y, scale=plan.array(scale), shift=plan.array(shift))
