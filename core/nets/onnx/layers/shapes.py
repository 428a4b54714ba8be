"""Other shapes, frames and joins."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from core.nets.graph import Node
from core.nets.layer import Weights
from core.nets.layers.pad import PadSpec
from core.nets.onnx.builder import Builder
from core.nets.onnx.layers.attributes import per_axis


def flatten(builder: Builder, node: Node, inputs: Sequence[str], weights: Weights) -> str:
    """Write a Flatten."""
    return builder.add("Flatten", inputs, axis=1)


def reshape(builder: Builder, node: Node, inputs: Sequence[str], weights: Weights) -> str:
    """Write a Reshape that leaves the batch as it is."""
    shape = builder.constant("shape", (0, *node.shape), "int64")
    return builder.add("Reshape", [*inputs, shape])


def pad(builder: Builder, node: Node, inputs: Sequence[str], weights: Weights) -> str:
    """Write a Pad of the spatial axes."""
    spec = node.spec
    assert isinstance(spec, PadSpec)
    count = len(node.shape) - 1
    before, after = (per_axis(widths, count) for widths in (spec.before, spec.after))
    pads = builder.constant("pads", (0, 0, *before, 0, 0, *after), "int64")
    return builder.add("Pad", [*inputs, pads, builder.constant("value", spec.value)])


def edge_channel(builder: Builder, node: Node, inputs: Sequence[str], weights: Weights) -> str:
    """Write a Pad of one channel, with ones."""
    behind = [0] * len(node.shape)
    pads = builder.constant("pads", (0, 0, *behind[1:], 0, 1, *behind[1:]), "int64")
    return builder.add("Pad", [*inputs, pads, builder.constant("value", 1)])


def add(builder: Builder, node: Node, inputs: Sequence[str], weights: Weights) -> str:
    """Write the sum, from the first to the last."""
    return reduce(lambda total, name: builder.add("Add", [total, name]), inputs)


def concatenate(builder: Builder, node: Node, inputs: Sequence[str], weights: Weights) -> str:
    """Write a Concat of the channels."""
    return builder.add("Concat", inputs, axis=1)
