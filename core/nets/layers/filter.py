"""A filter that is not learned: one of the kernel presets, such as Sobel's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.arrays import Array
from core.conv import batch_last
from core.errors import InvalidInput
from core.kernels import Kernel, PresetKernel, build
from core.nets.constants import beside
from core.nets.layer import Backward, Context, Layer, LayerSpec, Shape, Weights


class FilterSpec(LayerSpec):
    """A kernel preset on every channel; zeros are outside."""

    layer: Literal["filter"]
    kernel: PresetKernel = Field(description="The preset and its parameters, as a job has them.")


def shape(spec: FilterSpec, shapes: Sequence[Shape]) -> Shape:
    """Return the shape that comes in."""
    (incoming,) = shapes
    if not 2 <= len(incoming) <= 4:
        raise InvalidInput(
            "a filter needs channels and one to three axes",
            field="inputs",
            given=incoming,
            accepted="(channels, *spatial)",
        )
    sides = _built(spec.kernel, len(incoming) - 1).stack.shape[1:]
    if not all(side % 2 for side in sides):
        raise InvalidInput(
            "an even number of taps has no centre",
            field="kernel",
            given=" x ".join(map(str, sides)),
            accepted="odd numbers of taps",
        )
    return incoming


def forward(
    spec: FilterSpec, inputs: Sequence[Array], weights: Weights, context: Context
) -> tuple[Array, Backward]:
    """Return every channel filtered, and the gradient.

    A preset of several filters, such as ``sobel-magnitude``, gives ``sqrt(sum_m y_m**2)``, whose
    gradient is taken as 0 where it is 0.
    """
    (x,) = inputs
    channels, *spatial = x.shape[:-1]
    stack = beside(x, stack_of(spec.kernel, channels, len(spatial), x.dtype.name))
    options: dict[str, Any] = {
        "padding": [side // 2 for side in stack.shape[2:]],
        "groups": channels,
    }
    filtered = batch_last.conv(x, stack, **options)
    count = len(stack) // channels
    if count == 1:
        y = filtered
    else:
        parts = filtered.reshape(channels, count, *x.shape[1:])
        y = np.sqrt(np.square(parts).sum(axis=1))

    def backward(dy: Array) -> tuple[tuple[Array | None, ...], dict[str, Array]]:
        if not context.wanted:
            return (None,), {}
        if count > 1:
            share = dy / np.where(y, y, 1)
            dy = (parts * share[:, np.newaxis]).reshape(filtered.shape)
        return (batch_last.conv_input_gradient(dy, stack, spatial, **options),), {}

    return y, backward


def multiply_adds(spec: FilterSpec, shapes: Sequence[Shape]) -> int:
    """Return the taps of all filters times the numbers that they are applied to."""
    (incoming,) = shapes
    return _built(spec.kernel, len(incoming) - 1).stack.size * math.prod(incoming)


@lru_cache(maxsize=64)
def _built(kernel: PresetKernel, ndim: int) -> Kernel:
    return build(kernel, ndim)


@lru_cache(maxsize=64)
def stack_of(kernel: PresetKernel, channels: int, ndim: int, dtype: str) -> NDArray[Any]:
    """Return the filters as nets have them: ``(channels * filters, 1, *taps)``, one group each."""
    # Presets are stated for convolution, nets correlate.
    stack = np.flip(_built(kernel, ndim).stack, axis=tuple(range(1, ndim + 1)))
    return np.tile(stack[:, np.newaxis], (channels, *(1,) * (ndim + 1))).astype(dtype)


LAYER = Layer(
    name="filter", spec=FilterSpec, shape=shape, forward=forward, multiply_adds=multiply_adds
)
