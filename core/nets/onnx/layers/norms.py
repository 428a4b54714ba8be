"""Normalization: learned, given, or of each image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.nets.graph import Node
from core.nets.layer import Weights
from core.nets.layers.batch_norm import BatchNormSpec
from core.nets.layers.layer_norm import LayerNormSpec
from core.nets.layers.standardize import StandardizeSpec
from core.nets.layers.whiten import WhitenSpec, response
from core.nets.onnx.builder import Builder


def batch_norm(builder: Builder, node: Node, inputs: Sequence[str], weights: Weights) -> str:
    """Write a BatchNormalization with the running statistics."""
    assert isinstance(node.spec, BatchNormSpec)
    return builder.add("BatchNormalization", [*inputs, *weights], epsilon=node.spec.epsilon)


def layer_norm(builder: Builder, node: Node, inputs: Sequence[str], weights: Weights) -> str:
    """Write a LayerNormalization over all axes of an image."""
    assert isinstance(node.spec, LayerNormSpec)
    return builder.add("LayerNormalization", [*inputs, *weights], axis=1, epsilon=node.spec.epsilon)


def standardize(builder: Builder, node: Node, inputs: Sequence[str], weights: Weights) -> str:
    """Write a Sub and a Div."""
    spec = node.spec
    assert isinstance(spec, StandardizeSpec)
    mean, std = (_per_channel(value, node) for value in (spec.mean, spec.std))
    centred = builder.add("Sub", [*inputs, builder.constant("mean", mean)])
    return builder.add("Div", [centred, builder.constant("std", std)])


def whiten(builder: Builder, node: Node, inputs: Sequence[str], weights: Weights) -> str:
    """Write mean and variance of each image, after a filter of its spectrum if there is one."""
    spec = node.spec
    assert isinstance(spec, WhitenSpec)
    (x,) = inputs
    if spec.cut_off is not None:
        x = _flattened(builder, node, x, spec.cut_off)
    axes = builder.constant("axes", range(1, len(node.shape) + 1), "int64")
    centred = builder.add("Sub", [x, builder.add("ReduceMean", [x, axes])])
    variance = builder.add("ReduceMean", [builder.add("Mul", [centred, centred]), axes])
    raised = builder.add("Add", [variance, builder.constant("epsilon", spec.epsilon)])
    return builder.add("Div", [centred, builder.add("Sqrt", [raised])])


def _flattened(builder: Builder, node: Node, x: str, cut_off: float) -> str:
    """Write Fourier transforms along all spatial axes, the factors, and the way back."""
    last = builder.constant("parts", [-1], "int64")
    x = builder.add("Unsqueeze", [x, last])
    axes = [builder.constant("axis", axis, "int64") for axis in range(2, len(node.shape) + 1)]
    for axis in axes:
        x = builder.add("DFT", [x, "", axis])
    x = builder.add("Mul", [x, builder.constant("response", _whole(node.shape[1:], cut_off))])
    for axis in axes:
        x = builder.add("DFT", [x, "", axis], inverse=1)
    return builder.add("Gather", [x, builder.constant("real", 0, "int64")], axis=-1)


def _whole(sides: tuple[int, ...], cut_off: float) -> Any:
    # The second half of the last axis mirrors the first.
    places = np.arange(sides[-1])
    half = response(sides, cut_off)[..., 0]
    return half[np.newaxis, ..., np.minimum(places, sides[-1] - places), np.newaxis]


def _per_channel(value: float | list[float], node: Node) -> Any:
    return np.reshape(value, (-1, *(1,) * (len(node.shape) - 1)))
