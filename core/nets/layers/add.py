"""The sum of several inputs: the end of a residual block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from core.arrays import Array
from core.errors import InvalidInput
from core.nets.layer import Backward, Context, Layer, LayerSpec, Shape, Weights


class AddSpec(LayerSpec):
    """The sum of several inputs."""

    layer: Literal["add"]


def shape(spec: AddSpec, shapes: Sequence[Shape]) -> Shape:
    """Return the shape that all inputs have."""
    if len(shapes) < 2 or len(set(shapes)) > 1:
        raise InvalidInput(
            "only arrays of one shape have a sum",
            field="inputs",
            given=list(shapes),
            accepted="two or more of the same shape",
        )
    return shapes[0]


def forward(
    spec: AddSpec, inputs: Sequence[Array], weights: Weights, context: Context
) -> tuple[Array, Backward]:
    """Return the sum, taken from the first to the last, and its gradient: the same for all.

    K. He et al., "Deep residual learning for image recognition", 2016.
    """
    first, second, *others = inputs
    y = first + second
    for other in others:
        y += other

    def backward(dy: Array) -> tuple[tuple[Array | None, ...], dict[str, Array]]:
        return (dy if context.wanted else None,) * len(inputs), {}

    return y, backward


LAYER = Layer(name="add", spec=AddSpec, shape=shape, forward=forward, many=True, half=True)
