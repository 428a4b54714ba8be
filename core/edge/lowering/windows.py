"""Layers that look through windows, and frames around tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.arrays import Array
from core.edge.lowering.state import Lowering, flat_window, sides
from core.edge.tensors import Region, Sides, whole
from core.nets.inference.fusion import Operation
from core.nets.layer import Shape
from core.nets.layers.average_pool import shares
from core.nets.window import pooling_window

_SMALLEST = float(np.finfo(np.float32).min)


def pool(plan: Lowering, operation: Operation, inputs: list[Region]) -> Region:
    """Add a pooling step; zeros around a picture count in means, never as the largest value."""
    node, (x,) = operation.node, inputs
    spec: Any = node.spec
    window = flat_window(
        pooling_window(node.incoming[0], spec.kernel, spec.stride, spec.padding), node
    )
    shape, (top, left) = sides(node.shape), window.padding
    if node.layer.name == "average_pool":
        share = shares(window, x.shape[1:], "float32", spec.count_include_pad)
        x.buffer.reach(top, top, left, left)
        x = Region(x.buffer, x.shape, (0, -top, -left))
        return _pooled(plan, x, shape, window.kernel, window.stride, share)
    if top or left:
        x = _framed(plan, x, ((top, top), (left, left)), _SMALLEST)
    return _pooled(plan, x, shape, window.kernel, window.stride, None)


def global_pool(plan: Lowering, operation: Operation, inputs: list[Region]) -> Region:
    """Add a pooling step whose window is the picture."""
    (x,) = inputs
    largest = operation.node.layer.name == "global_max_pool"
    share = None if largest else np.full((1, 1, 1), 1 / (x.shape[1] * x.shape[2]))
    return _pooled(plan, x, (x.shape[0], 1, 1), x.shape[1:], (1, 1), share)


def pad(plan: Lowering, operation: Operation, inputs: list[Region]) -> Region:
    """Add the steps that put a frame around a tensor."""
    spec: Any = operation.node.spec
    axes = len(operation.shape) - 1
    before, after = (_each(side, axes) for side in (spec.before, spec.after))
    around = [(0, 0)] * (2 - axes) + list(zip(before, after, strict=True))
    return _framed(plan, inputs[0], (around[0], around[1]), float(spec.value))


def _pooled(
    plan: Lowering, x: Region, shape: Sides, kernel: Shape, stride: Shape, share: Array | None
) -> Region:
    """Add a step that takes the largest value of each window, or its sum times its share.

    Shares are ``(rows, columns, 1)``, or fit that.
    """
    fields: dict[str, Any] = {"kernel": list(kernel), "stride": list(stride)}
    if share is not None:
        fields["shares"] = plan.array(np.broadcast_to(share[..., 0], shape[1:]).ravel())
    op = "max_pool" if share is None else "average_pool"
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
