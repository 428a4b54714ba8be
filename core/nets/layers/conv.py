"""Convolution with learned filters, in one, two or three dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Literal

from pydantic import Field

from core.arrays import Array
from core.conv import ALGORITHMS
from core.conv.arguments import per_axis
from core.conv.batch_last import conv, conv_input_gradient, conv_weight_gradient
from core.conv.problem import multi_channel_problem
from core.errors import InvalidInput
from core.nets.filters import add_bias, bias_gradient, check_groups
from core.nets.layer import Backward, Context, Layer, LayerSpec, Parameter, Shape, Weights
from core.nets.window import Size, Sizes, Widths, Window, hashable, spatial_axes


class ConvSpec(LayerSpec):
    """A convolution over channels, as deep learning defines it (the filters are not flipped)."""

    layer: Literal["conv"]
    filters: Size = Field(description="Channels that come out.")
    kernel: Sizes = Field(description="Size of the filters.")
    stride: Sizes = Field(default=1, description="From one output to the next.")
    padding: Literal["same"] | Widths = Field(
        default=0,
        description="Zeros on both sides. With same, the output is as large as the input, divided "
        "by the stride and rounded up.",
    )
    dilation: Sizes = Field(default=1, description="From one element of a filter to the next.")
    groups: Size = Field(default=1, description="Groups of channels that do not mix.")
    bias: bool = Field(default=True, description="Whether a learned constant is added.")
    method: Literal["auto", *(algorithm.name for algorithm in ALGORITHMS)] = Field(  # type: ignore[valid-type]
        default="auto",
        description="The algorithm; auto takes kernels for batches where it can, else the fastest "
        "by predicted time. The gradients are other convolutions, for which auto chooses.",
    )


def shape(spec: ConvSpec, shapes: Sequence[Shape]) -> Shape:
    """Return ``(filters, *positions of the window)``."""
    (incoming,) = shapes
    spatial, window = spatial_axes(incoming), window_of(spec, incoming)
    check_groups(spec.groups, incoming[0], spec.filters)
    out = (spec.filters, *window.slide(spatial))
    _check_method(spec, incoming, window)
    return out


def parameters(spec: ConvSpec, shapes: Sequence[Shape]) -> dict[str, Parameter]:
    """Return ``weight (filters, channels / groups, *kernel)`` and ``bias (filters,)``."""
    (incoming,) = shapes
    weight = _weight_shape(spec, incoming)
    taps = math.prod(weight[2:])
    found = {
        "weight": Parameter(
            weight, "he", weight[1] * taps, spec.filters // spec.groups * taps, decays=True
        )
    }
    if spec.bias:
        found["bias"] = Parameter((spec.filters,))
    return found


def forward(
    spec: ConvSpec, inputs: Sequence[Array], weights: Weights, context: Context
) -> tuple[Array, Backward]:
    """Return the convolution of ``x (channels, *spatial, images)``, and its gradient."""
    (x,) = inputs
    weight, window = weights["weight"], window_of(spec, x.shape[:-1])
    steps = (window.stride, window.padding, window.dilation, spec.groups)
    precision = context.precision
    y = conv(x, weight, *steps, spec.method, precision=precision)
    if spec.bias:
        add_bias(y, weights["bias"])

    def backward(dy: Array) -> tuple[tuple[Array | None, ...], dict[str, Array]]:
        gradients = {
            "weight": conv_weight_gradient(x, dy, window.kernel, *steps, precision=precision)
        }
        if spec.bias:
            gradients["bias"] = bias_gradient(dy)
        if not context.wanted:
            return (None,), gradients
        dx = conv_input_gradient(dy, weight, x.shape[1:-1], *steps, precision=precision)
        return (dx,), gradients

    return y, backward


def multiply_adds(spec: ConvSpec, shapes: Sequence[Shape]) -> int:
    """Return one for each element of a filter at each of its positions."""
    weight = _weight_shape(spec, shapes[0])
    return math.prod(shape(spec, shapes)) * math.prod(weight[1:])


def window_of(spec: ConvSpec, incoming: Shape) -> Window:
    """Return the size, steps and padding of the filters along each axis."""
    padding = spec.padding if spec.padding == "same" else hashable(spec.padding)
    steps = (hashable(spec.stride), padding, hashable(spec.dilation))
    return _window(len(spatial_axes(incoming)), hashable(spec.kernel), *steps)


# Asked for in every step, for every group of images.
@lru_cache(maxsize=1024)
def _window(
    axes: int,
    kernel: int | Shape,
    stride: int | Shape,
    padding: Literal["same"] | int | Shape,
    dilation: int | Shape,
) -> Window:
    size = per_axis("kernel", kernel, axes, 1)
    apart = per_axis("dilation", dilation, axes, 1)
    around = (
        _same(size, apart) if isinstance(padding, str) else per_axis("padding", padding, axes, 0)
    )
    return Window(size, per_axis("stride", stride, axes, 1), around, apart)


def _same(kernel: Shape, dilation: Shape) -> Shape:
    beyond = tuple(d * (k - 1) for k, d in zip(kernel, dilation, strict=True))
    if any(b % 2 for b in beyond):
        raise InvalidInput(
            "would have to be larger on one side",
            field="padding",
            given=f"same, for kernel {kernel} and dilation {dilation}",
            accepted="same for odd kernels; a pad layer for others",
        )
    return tuple(b // 2 for b in beyond)


def _weight_shape(spec: ConvSpec, incoming: Shape) -> Shape:
    kernel = per_axis("kernel", spec.kernel, len(spatial_axes(incoming)), 1)
    return (spec.filters, incoming[0] // spec.groups, *kernel)


def _check_method(spec: ConvSpec, incoming: Shape, window: Window) -> None:
    # Now, rather than in the first step of a training.
    if spec.method == "auto":
        return
    problem = multi_channel_problem(
        (1, *incoming),
        _weight_shape(spec, incoming),
        "float32",
        "float32",
        stride=window.stride,
        padding=window.padding,
        dilation=window.dilation,
        groups=spec.groups,
    )
    # Filters have values when it comes to it, and so a rank.
    form = replace(problem, rank=1).normal
    refusals = {algorithm.name: algorithm.refuses(form) for algorithm in ALGORITHMS}
    if refusals[spec.method] is not None:
        raise InvalidInput(
            f"refuses: {refusals[spec.method]}",
            field="method",
            given=f"{spec.method}; shape {incoming}",
            accepted=["auto", *(name for name, why in refusals.items() if why is None)],
        )


LAYER = Layer(
    name="conv",
    spec=ConvSpec,
    shape=shape,
    forward=forward,
    parameters=parameters,
    multiply_adds=multiply_adds,
    half=True,
)
