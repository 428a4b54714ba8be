"""Known mean and deviation of the data brought to 0 and 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from core.arrays import Array
from core.errors import InvalidInput
from core.nets.constants import beside
from core.nets.layer import Backward, Context, Layer, LayerSpec, Shape, Weights

Finite = Annotated[float, Field(allow_inf_nan=False)]
Deviation = Annotated[float, Field(ge=1e-12, allow_inf_nan=False)]


class StandardizeSpec(LayerSpec):
    """Subtract a mean and divide by a standard deviation, both of which are given."""

    layer: Literal["standardize"]
    mean: Finite | list[Finite] = Field(description="What becomes 0: a number, or one per channel.")
    std: Deviation | list[Deviation] = Field(
        description="What becomes 1: a number above 0, or one per channel."
    )


def shape(spec: StandardizeSpec, shapes: Sequence[Shape]) -> Shape:
    """Return the shape that comes in."""
    (incoming,) = shapes
    for name, value in (("mean", spec.mean), ("std", spec.std)):
        if isinstance(value, list) and len(value) != incoming[0]:
            raise InvalidInput(
                f"the input of shape {incoming} has {incoming[0]} channels",
                field=name,
                given=f"{len(value)} numbers",
                accepted=f"one number, or {incoming[0]}",
            )
    return incoming


def forward(
    spec: StandardizeSpec, inputs: Sequence[Array], weights: Weights, context: Context
) -> tuple[Array, Backward]:
    """Return ``(x - mean) / std``, and its gradient."""
    (x,) = inputs
    std = _per_channel(spec.std, x)
    y = x - _per_channel(spec.mean, x)
    y /= std

    def backward(dy: Array) -> tuple[tuple[Array | None, ...], dict[str, Array]]:
        return (dy / std if context.wanted else None,), {}

    return y, backward


def _per_channel(value: float | list[float], x: Array) -> Array:
    numbers = beside(x, np.asarray(value, x.dtype))
    return numbers.reshape(-1, *(1,) * (x.ndim - 1))


LAYER = Layer(name="standardize", spec=StandardizeSpec, shape=shape, forward=forward)
