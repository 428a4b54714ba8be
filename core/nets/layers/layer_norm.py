"""Layer normalization: every image has mean 0 and variance 1, then a learned scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from core.arrays import Array
from core.nets.layer import Backward, Context, Layer, LayerSpec, Parameter, Shape, Weights
from core.nets.layers.normal import standardized


class LayerNormSpec(LayerSpec):
    """Layer normalization over all axes of an image."""

    layer: Literal["layer_norm"]
    epsilon: float = Field(
        default=1e-5, gt=0, le=1, description="Added to the variance, which may be zero."
    )


def shape(spec: LayerNormSpec, shapes: Sequence[Shape]) -> Shape:
    """Return the shape that comes in."""
    return shapes[0]


def parameters(spec: LayerNormSpec, shapes: Sequence[Shape]) -> dict[str, Parameter]:
    """Return ``weight`` and ``bias``, of the shape of an image."""
    return {"weight": Parameter(shapes[0], "ones"), "bias": Parameter(shapes[0])}


def forward(
    spec: LayerNormSpec, inputs: Sequence[Array], weights: Weights, context: Context
) -> tuple[Array, Backward]:
    """Return ``weight * (x - mean) / sqrt(variance + epsilon) + bias``, and its gradient.

    J. L. Ba et al., "Layer normalization", 2016.
    """
    (x,) = inputs
    scale = weights["weight"][..., None]
    normal, through = standardized(x, spec.epsilon)
    y = normal * scale
    y += weights["bias"][..., None]

    def backward(dy: Array) -> tuple[tuple[Array | None, ...], dict[str, Array]]:
        gradients = {"weight": (dy * normal).sum(axis=-1), "bias": dy.sum(axis=-1)}
        return (through(dy * scale) if context.wanted else None,), gradients

    return y, backward


LAYER = Layer(
    name="layer_norm", spec=LayerNormSpec, shape=shape, forward=forward, parameters=parameters
)
