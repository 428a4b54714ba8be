"""Pooling."""

from __future__ import annotations

from collections.abc import Sequence

from core.nets.graph import Node
from core.nets.layer import Weights
from core.nets.layers.average_pool import AveragePoolSpec
from core.nets.layers.max_pool import MaxPoolSpec
from core.nets.onnx.builder import Builder
from core.nets.onnx.layers.attributes import window_attributes
from core.nets.window import pooling_window


def max_pool(builder: Builder, node: Node, inputs: Sequence[str], weights: Weights) -> str:
    """Write a MaxPool."""
    spec = node.spec
    assert isinstance(spec, MaxPoolSpec)
    window = pooling_window(node.incoming[0], spec.kernel, spec.stride, spec.padding)
    return builder.add("MaxPool", inputs, **window_attributes(window, dilations=False))


def average_pool(builder: Builder, node: Node, inputs: Sequence[str], weights: Weights) -> str:
    """Write an AveragePool."""
    spec = node.spec
    assert isinstance(spec, AveragePoolSpec)
    window = pooling_window(node.incoming[0], spec.kernel, spec.stride, spec.padding)
    return builder.add(
        "AveragePool",
        inputs,
        count_include_pad=int(spec.count_include_pad),
        **window_attributes(window, dilations=False),
    )


def global_max_pool(builder: Builder, node: Node, inputs: Sequence[str], weights: Weights) -> str:
    """Write a GlobalMaxPool, whose axes of length 1 are dropped."""
    return builder.add("Flatten", [builder.add("GlobalMaxPool", inputs)], axis=1)


def global_average_pool(
    builder: Builder, node: Node, inputs: Sequence[str], weights: Weights
) -> str:
    """Write a GlobalAveragePool, whose axes of length 1 are dropped."""
    return builder.add("Flatten", [builder.add("GlobalAveragePool", inputs)], axis=1)
