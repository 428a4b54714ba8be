"""Layers with learned filters: conv, conv_transpose, dense and embedding."""

from __future__ import annotations

from collections.abc import Sequence

from core.nets.graph import Node
from core.nets.layer import Weights
from core.nets.layers import conv as conv_layer
from core.nets.layers import conv_transpose as conv_transpose_layer
from core.nets.onnx.builder import Builder
from core.nets.onnx.layers.attributes import per_axis, window_attributes


def conv(builder: Builder, node: Node, inputs: Sequence[str], weights: Weights) -> str:
    """Write a Conv."""
    spec = node.spec
    assert isinstance(spec, conv_layer.ConvSpec)
    window = conv_layer.window_of(spec, node.incoming[0])
    return builder.add("Conv", [*inputs, *weights], group=spec.groups, **window_attributes(window))


def conv_transpose(builder: Builder, node: Node, inputs: Sequence[str], weights: Weights) -> str:
    """Write a ConvTranspose."""
    spec = node.spec
    assert isinstance(spec, conv_transpose_layer.ConvTransposeSpec)
    window = conv_transpose_layer.window_of(spec, node.incoming[0])
    return builder.add(
        "ConvTranspose",
        [*inputs, *weights],
        group=spec.groups,
        output_padding=per_axis(spec.output_padding, len(window.kernel)),
        **window_attributes(window),
    )


def dense(builder: Builder, node: Node, inputs: Sequence[str], weights: Weights) -> str:
    """Write a Gemm with the weights transposed."""
    return builder.add("Gemm", [*inputs, *weights], transB=1)


def embedding(builder: Builder, node: Node, inputs: Sequence[str], weights: Weights) -> str:
    """Write a Gather of rows, and a Transpose that brings the features to the front."""
    gathered = builder.add("Gather", [*weights, *inputs], axis=0)
    return builder.add("Transpose", [gathered], perm=[0, 2, 1])
