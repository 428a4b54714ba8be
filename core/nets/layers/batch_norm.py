"""Batch normalization: every channel has mean 0 and variance 1 over the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, array_module
from core.conv.blocks import for_each, never, workers_for
from core.errors import InvalidInput
from core.nets.layer import Backward, Context, Layer, LayerSpec, Parameter, Shape, Weights

# Elements of a block of channels: it is passed over several times, and should stay in a core's
# second cache beside what comes of it.
_BLOCK = 1 << 16


class BatchNormSpec(LayerSpec):
    """Batch normalization, then a learned scale and constant for each channel."""

    layer: Literal["batch_norm"]
    momentum: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="How far the running mean and variance move towards those of a batch.",
    )
    epsilon: float = Field(
        default=1e-5, gt=0, le=1, description="Added to the variance, which may be zero."
    )


def shape(spec: BatchNormSpec, shapes: Sequence[Shape]) -> Shape:
    """Return the shape that comes in."""
    return shapes[0]


def parameters(spec: BatchNormSpec, shapes: Sequence[Shape]) -> dict[str, Parameter]:
    """Return ``weight`` and ``bias``, one number for each channel."""
    channels = shapes[0][:1]
    return {"weight": Parameter(channels, "ones"), "bias": Parameter(channels)}


def state(spec: BatchNormSpec, shapes: Sequence[Shape]) -> dict[str, Parameter]:
    """Return the running ``mean`` and ``variance``, one number for each channel."""
    channels = shapes[0][:1]
    return {"mean": Parameter(channels), "variance": Parameter(channels, "ones")}


def forward(
    spec: BatchNormSpec, inputs: Sequence[Array], weights: Weights, context: Context
) -> tuple[Array, Backward]:
    """Return ``weight * (x - mean) / sqrt(variance + epsilon) + bias``, and its gradient.

    In training mean and variance are those of the batch, for each channel over images and places,
    and the running ones move towards them; otherwise they are the running ones. The variance is
    divided by the count of numbers, that which goes into the running one by one less (S. Ioffe
    and C. Szegedy, "Batch normalization", 2015).

    Raises
    ------
    InvalidInput
        A batch has only one number for each channel: that has no variance.
    """
    (x,) = inputs
    if not context.training:
        scale = 1 / np.sqrt(context.state["variance"] + spec.epsilon)
        return _affine(x, context.state["mean"], scale, weights, context)
    flat = x.reshape(len(x), -1)
    count = flat.shape[1]
    if count < 2:
        raise InvalidInput(
            "batch norm learns nothing from one number per channel",
            field="batch",
            given=x.shape[-1],
            accepted="two or more images",
        )
    mean, variance, y = np.empty_like(weights["bias"]), np.empty_like(weights["bias"]), _like(flat)

    def normalize(part: slice) -> None:
        mean[part] = flat[part].mean(axis=1)
        centred = flat[part] - mean[part, None]
        variance[part] = _products(centred, centred) / count
        scale = weights["weight"][part] / np.sqrt(variance[part] + spec.epsilon)
        np.multiply(centred, scale[:, None], out=y[part])
        y[part] += weights["bias"][part, None]

    _by_channels(normalize, flat)
    for name, new in (("mean", mean), ("variance", variance * (count / (count - 1)))):
        old = context.state[name]
        context.updates[name] = old + spec.momentum * (new - old)
    scale = 1 / np.sqrt(variance + spec.epsilon)

    def backward(dy: Array) -> tuple[tuple[Array | None, ...], dict[str, Array]]:
        dy, dx = dy.reshape(flat.shape), _like(flat) if context.wanted else None
        along, total = np.empty_like(mean), np.empty_like(mean)

        def differentiate(part: slice) -> None:
            normal = flat[part] - mean[part, None]
            normal *= scale[part, None]
            along[part], total[part] = _products(dy[part], normal), dy[part].sum(axis=1)
            if dx is not None:
                # That of the sum, less what goes through mean and variance.
                normal *= along[part, None] / -count
                normal += dy[part]
                normal -= total[part, None] / count
                factor = weights["weight"][part] * scale[part]
                np.multiply(normal, factor[:, None], out=dx[part])

        _by_channels(differentiate, flat)
        return (None if dx is None else dx.reshape(x.shape),), {"weight": along, "bias": total}

    return y.reshape(x.shape), backward


def _affine(
    x: Array, mean: Array, scale: Array, weights: Weights, context: Context
) -> tuple[Array, Backward]:
    # Outside of training mean and scale are constants.
    flat = x.reshape(len(x), -1)
    factor = weights["weight"] * scale
    y = flat * factor[:, None]
    y += (weights["bias"] - mean * factor)[:, None]

    def backward(dy: Array) -> tuple[tuple[Array | None, ...], dict[str, Array]]:
        dy = dy.reshape(flat.shape)
        normal = (flat - mean[:, None]) * scale[:, None]
        gradients = {"weight": _products(dy, normal), "bias": dy.sum(axis=1)}
        return ((dy * factor[:, None]).reshape(x.shape) if context.wanted else None,), gradients

    return y.reshape(x.shape), backward


def _by_channels(work: Callable[[slice], None], flat: Array) -> None:
    channels, count = flat.shape
    step = max(1, _BLOCK // count)
    parts = (slice(first, first + step) for first in range(0, channels, step))
    for_each(work, parts, never, workers_for(flat))


def _products(a: Array, b: Array) -> Array:
    return np.einsum("cl,cl->c", a, b)


def _like(flat: Array) -> Array:
    return array_module(flat).empty(flat.shape, flat.dtype)


LAYER = Layer(
    name="batch_norm",
    spec=BatchNormSpec,
    shape=shape,
    forward=forward,
    parameters=parameters,
    state=state,
    whole_batch=True,
)
