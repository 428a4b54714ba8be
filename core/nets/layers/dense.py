"""Every output depends on every input: ``y = W x + b``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from core.arrays import Array
from core.errors import InvalidInput
from core.nets.blas import product
from core.nets.filters import bias_gradient
from core.nets.layer import Backward, Context, Layer, LayerSpec, Parameter, Shape, Weights


class DenseSpec(LayerSpec):
    """A fully connected layer."""

    layer: Literal["dense"]
    features: int = Field(ge=1, le=1 << 20, description="Outputs.")
    bias: bool = Field(default=True, description="Whether a learned constant is added.")


def shape(spec: DenseSpec, shapes: Sequence[Shape]) -> Shape:
    """Return ``(features,)``."""
    (incoming,) = shapes
    if len(incoming) != 1:
        raise InvalidInput(
            "a dense layer needs vectors; put a flatten layer before it",
            field="inputs",
            given=incoming,
            accepted="one axis, (features,)",
        )
    return (spec.features,)


def parameters(spec: DenseSpec, shapes: Sequence[Shape]) -> dict[str, Parameter]:
    """Return ``weight (features, inputs)`` and ``bias (features,)``."""
    (incoming,) = shapes
    count = incoming[0]
    found = {"weight": Parameter((spec.features, count), "he", count, spec.features, decays=True)}
    if spec.bias:
        found["bias"] = Parameter((spec.features,))
    return found


def forward(
    spec: DenseSpec, inputs: Sequence[Array], weights: Weights, context: Context
) -> tuple[Array, Backward]:
    """Return ``W x + b`` for ``x (inputs, images)``, and its gradient."""
    (x,) = inputs
    weight = weights["weight"]
    y = product(weight, x, context.precision)
    if spec.bias:
        y += weights["bias"][:, None]

    def backward(dy: Array) -> tuple[tuple[Array | None, ...], dict[str, Array]]:
        gradients = {"weight": product(dy, x.T, context.precision)}
        if spec.bias:
            gradients["bias"] = bias_gradient(dy)
        if not context.wanted:
            return (None,), gradients
        return (product(weight.T, dy, context.precision),), gradients

    return y, backward


def multiply_adds(spec: DenseSpec, shapes: Sequence[Shape]) -> int:
    """Return the size of the matrix."""
    return spec.features * shapes[0][0]


LAYER = Layer(
    name="dense",
    spec=DenseSpec,
    shape=shape,
    forward=forward,
    parameters=parameters,
    multiply_adds=multiply_adds,
    whole_batch=True,
    half=True,
)
