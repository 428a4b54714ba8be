"""A channel of ones, so that zeros around a picture mark where it ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from core.arrays import Array, array_module
from core.errors import InvalidInput
from core.nets.layer import Backward, Context, Layer, LayerSpec, Shape, Weights


class EdgeChannelSpec(LayerSpec):
    """One more channel, of ones: a convolution that pads with zeros sees the edge in it."""

    layer: Literal["edge_channel"]


def shape(spec: EdgeChannelSpec, shapes: Sequence[Shape]) -> Shape:
    """Return ``(channels + 1, *spatial)``."""
    (incoming,) = shapes
    if len(incoming) < 2:
        raise InvalidInput(
            "a vector has no edge",
            field="inputs",
            given=incoming,
            accepted="channels and one or more axes, (channels, *spatial)",
        )
    return (incoming[0] + 1, *incoming[1:])


def forward(
    spec: EdgeChannelSpec, inputs: Sequence[Array], weights: Weights, context: Context
) -> tuple[Array, Backward]:
    """Return ``x`` and, as the last channel, ones; and the gradient: without that channel.

    C. Clark and A. Storkey, "Teaching deep convolutional neural networks to play Go", 2015, mark
    the edge of the board in this way.
    """
    (x,) = inputs
    y = array_module(x).empty((len(x) + 1, *x.shape[1:]), x.dtype)
    y[:-1] = x
    y[-1] = 1

    def backward(dy: Array) -> tuple[tuple[Array | None, ...], dict[str, Array]]:
        return (dy[:-1] if context.wanted else None,), {}

    return y, backward


LAYER = Layer(name="edge_channel", spec=EdgeChannelSpec, shape=shape, forward=forward)
