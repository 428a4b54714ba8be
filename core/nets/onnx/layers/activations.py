"""Activations, and layers that do nothing outside training."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from core.nets.graph import Node
from core.nets.layer import Weights
from core.nets.layers.elu import EluSpec
from core.nets.layers.leaky_relu import LeakyReluSpec
from core.nets.onnx.builder import Builder


def plain(op: str) -> Callable[[Builder, Node, Sequence[str], Weights], str]:
    """Return what writes an operator without attributes."""

    def write(builder: Builder, node: Node, inputs: Sequence[str], weights: Weights) -> str:
        return builder.add(op, inputs)

    return write


def leaky_relu(builder: Builder, node: Node, inputs: Sequence[str], weights: Weights) -> str:
    """Write a LeakyRelu."""
    assert isinstance(node.spec, LeakyReluSpec)
    return builder.add("LeakyRelu", inputs, alpha=node.spec.slope)


def elu(builder: Builder, node: Node, inputs: Sequence[str], weights: Weights) -> str:
    """Write an Elu."""
    assert isinstance(node.spec, EluSpec)
    return builder.add("Elu", inputs, alpha=node.spec.alpha)


def softmax(builder: Builder, node: Node, inputs: Sequence[str], weights: Weights) -> str:
    """Write a Softmax over channels or features."""
    return builder.add("Softmax", inputs, axis=1)
