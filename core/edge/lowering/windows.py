"""Layers that look through windows, and frames around tensors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from core.edge.lowering.state import Lowering, Value, flat_window, sides
from core.edge.tensors import Region, Sides, whole
from core.errors import InvalidInput
from core.nets.graph import Node
from core.nets.layer import Shape
from core.nets.window import pooling_window


def pool(plan: Lowering, node: Node, chain: list[Node], inputs: list[Value]) -> Value:
    """Add a pooling step; a padded one gets a frame first."""
    spec: Any = node.spec
    x = inputs[0].region
    window = flat_window(
        pooling_window(node.incoming[0], spec.kernel, spec.stride, spec.padding), node
    )
    if any(window.padding):
        largest = node.layer.name == "max_pool"
        if not largest and not spec.count_include_pad:
            raise InvalidInput(
                "a box takes means of whole windows only",
                field=f"model.layers.{node.index}.padding",
                given=list(window.padding),
                accepted="no padding, or count_include_pad",
            )
        top, left = window.padding
        value = float(np.finfo(np.float32).min) if largest else 0.0
        x = _framed(plan, x, ((top, top), (left, left)), value)
    return _pooled(plan, node.layer.name, x, sides(node.shape), window.kernel, window.stride)


def global_pool(plan: Lowering, node: Node, chain: list[Node], inputs: list[Value]) -> Value:
    """Add a pooling step whose window is the picture."""
    x = inputs[0].region
    op = "max_pool" if node.layer.name == "global_max_pool" else "average_pool"
    return _pooled(plan, op, x, (x.shape[0], 1, 1), x.shape[1:], (1, 1))


def pad(plan: Lowering, node: Node, chain: list[Node], inputs: list[Value]) -> Value:
    """Add the steps that put a frame around a tensor."""
    spec: Any = node.spec
    axes = len(node.shape) - 1
    before, after = (_each(side, axes) for side in (spec.before, spec.after))
    around = [(0, 0)] * (2 - axes) + list(zip(before, after, strict=True))
    return Value(_framed(plan, inputs[0].region, (around[0], around[1]), float(spec.value)))


def _pooled(
    plan: Lowering, op: str, x: Region, shape: Sides, kernel: Shape, stride: Shape
) -> Value:
    fields: dict[str, Any] = {"kernel": list(kernel), "stride": list(stride)}
    if op == "average_pool":
        fields["constants"] = plan.array([1 / math.prod(kernel)])
    return plan.step(op, [x], whole(plan.buffer(shape)), **fields)


def _framed(
    plan: Lowering, x: Region, around: tuple[tuple[int, int], tuple[int, int]], value: float
) -> Region:
    (top, bottom), (left, right) = around
    channels, rows, columns = x.shape
    y = plan.buffer((channels, top + rows + bottom, left + columns + right))
    plan.step("fill", [], whole(y), value=value)
    plan.step("copy", [x], Region(y, x.shape, (0, top, left)))
    return whole(y)


def _each(value: int | list[int], axes: int) -> list[int]:
    return [value] * axes if isinstance(value, int) else list(value)
