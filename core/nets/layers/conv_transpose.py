"""Transposed convolution: the gradient of a convolution, used to enlarge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from core.arrays import Array
from core.conv.arguments import per_axis
from core.conv.batch_last import conv, conv_input_gradient, conv_weight_gradient
from core.errors import InvalidInput
from core.nets.filters import add_bias, bias_gradient, check_groups
from core.nets.layer import Backward, Context, Layer, LayerSpec, Parameter, Shape, Weights
from core.nets.window import Size, Sizes, Widths, Window, spatial_axes


class ConvTransposeSpec(LayerSpec):
    """The map from outputs to inputs of a convolution: every input adds a filter to the output."""

    layer: Literal["conv_transpose"]
    filters: Size = Field(description="Channels that come out.")
    kernel: Sizes = Field(description="Size of the filters.")
    stride: Sizes = Field(default=1, description="From one filter in the output to the next.")
    padding: Widths = Field(default=0, description="What is cut off from the output on both sides.")
    output_padding: Widths = Field(
        default=0,
        description="What is added to the output at the end; less than the stride.",
    )
    dilation: Sizes = Field(default=1, description="From one element of a filter to the next.")
    groups: Size = Field(default=1, description="Groups of channels that do not mix.")
    bias: bool = Field(default=True, description="Whether a learned constant is added.")


def shape(spec: ConvTransposeSpec, shapes: Sequence[Shape]) -> Shape:
    """Return ``(filters, *spatial)``, where a convolution like this one would lead back."""
    (incoming,) = shapes
    spatial = spatial_axes(incoming)
    check_groups(spec.groups, incoming[0], spec.filters)
    window = window_of(spec, incoming)
    extra = per_axis("output_padding", spec.output_padding, len(spatial), 0)
    if any(e >= s for e, s in zip(extra, window.stride, strict=True)):
        raise InvalidInput(
            "must be less than the stride",
            field="output_padding",
            given=f"output_padding {extra}, stride {window.stride}",
            accepted=f"at most {tuple(s - 1 for s in window.stride)}",
        )
    out = tuple(
        (n - 1) * s + d * (k - 1) + 1 + e - 2 * p
        for n, k, s, p, d, e in zip(
            spatial,
            window.kernel,
            window.stride,
            window.padding,
            window.dilation,
            extra,
            strict=True,
        )
    )
    if min(out) < 1:
        raise InvalidInput(
            "cuts everything off",
            field="padding",
            given=f"padding {window.padding}; shape {incoming}",
            accepted=f"less, for nothing is left of {tuple(out)}",
        )
    return (spec.filters, *out)


def parameters(spec: ConvTransposeSpec, shapes: Sequence[Shape]) -> dict[str, Parameter]:
    """Return ``weight (channels, filters / groups, *kernel)`` and ``bias (filters,)``."""
    (incoming,) = shapes
    window, filters = window_of(spec, incoming), spec.filters // spec.groups
    taps = math.prod(window.kernel)
    # With a stride an output is reached by some elements of a filter only.
    fan_in = -(-incoming[0] // spec.groups * taps // math.prod(window.stride))
    weight = (incoming[0], filters, *window.kernel)
    found = {"weight": Parameter(weight, "he", fan_in, filters * taps, decays=True)}
    if spec.bias:
        found["bias"] = Parameter((spec.filters,))
    return found


def forward(
    spec: ConvTransposeSpec, inputs: Sequence[Array], weights: Weights, context: Context
) -> tuple[Array, Backward]:
    """Return the gradient of the convolution whose output is ``x``, and the gradient of that."""
    (x,) = inputs
    incoming = x.shape[:-1]
    weight, window = weights["weight"], window_of(spec, incoming)
    steps = (window.stride, window.padding, window.dilation, spec.groups)
    precision = context.precision
    y = conv_input_gradient(x, weight, shape(spec, [incoming])[1:], *steps, precision=precision)
    if spec.bias:
        add_bias(y, weights["bias"])

    def backward(dy: Array) -> tuple[tuple[Array | None, ...], dict[str, Array]]:
        gradients = {
            "weight": conv_weight_gradient(dy, x, window.kernel, *steps, precision=precision)
        }
        if spec.bias:
            gradients["bias"] = bias_gradient(dy)
        if not context.wanted:
            return (None,), gradients
        return (conv(dy, weight, *steps, precision=precision),), gradients

    return y, backward


def multiply_adds(spec: ConvTransposeSpec, shapes: Sequence[Shape]) -> int:
    """Return one for each element of the filters that each input adds."""
    (incoming,) = shapes
    taps = math.prod(window_of(spec, incoming).kernel)
    return math.prod(incoming) * spec.filters // spec.groups * taps


def window_of(spec: ConvTransposeSpec, incoming: Shape) -> Window:
    """Return the window of the convolution that leads back."""
    axes = len(spatial_axes(incoming))
    return Window(
        per_axis("kernel", spec.kernel, axes, 1),
        per_axis("stride", spec.stride, axes, 1),
        per_axis("padding", spec.padding, axes, 0),
        per_axis("dilation", spec.dilation, axes, 1),
    )


LAYER = Layer(
    name="conv_transpose",
    spec=ConvTransposeSpec,
    shape=shape,
    forward=forward,
    parameters=parameters,
    multiply_adds=multiply_adds,
    half=True,
)
