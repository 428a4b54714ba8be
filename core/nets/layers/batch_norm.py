"""Batch normalization: every channel has mean 0 and variance 1 over the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import Literal, TypeAlias

import numpy as np
from pydantic import Field

from core.arrays import Array, array_module, is_on_gpu
from core.conv import codegen
from core.conv.blocks import cores, for_each, never
from core.errors import InvalidInput
from core.nets.layer import (
    Backward,
    Context,
    Layer,
    LayerSpec,
    Parameter,
    Pieces,
    PiecesBackward,
    Shape,
    Weights,
)

# Numbers of a block of channels: they are passed over several times, and should stay in a core's
# second cache beside what comes of them.
_BLOCK = 1 << 16

# Works on a range of channels.
OverChannels: TypeAlias = Callable[[slice], None]


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
    (y,), backward_pieces = forward_pieces(spec, [[x]], weights, context)

    def backward(dy: Array) -> tuple[tuple[Array | None, ...], dict[str, Array]]:
        (dx,), gradients = backward_pieces([dy])
        return (None if dx is None else dx[0],), gradients

    return y, backward


def forward_pieces(
    spec: BatchNormSpec, inputs: Sequence[Pieces], weights: Weights, context: Context
) -> tuple[Pieces, PiecesBackward]:
    """Return what `forward` does in training, for a batch in pieces.

    A channel is gone through in all pieces while it is in the cache: for its mean, its variance
    and its outputs, and back for its sums and its gradient.

    Raises
    ------
    InvalidInput
        A batch has only one number for each channel.
    """
    (xs,) = inputs
    flats = [_flat(x) for x in xs]
    count = sum(flat.shape[1] for flat in flats)
    if count < 2:
        raise InvalidInput(
            "batch norm learns nothing from one number per channel",
            field="batch",
            given=sum(x.shape[-1] for x in xs),
            accepted="two or more images",
        )
    weight, bias = weights["weight"], weights["bias"]
    normalizing, differentiating = _passes(flats)
    mean, variance, ys = np.empty_like(bias), np.empty_like(bias), _like(flats)
    normalize = normalizing(flats, ys, weight, bias, spec.epsilon, mean, variance)
    _by_channels(normalize, mean, count)
    context.updates.update(moved(spec, context.state, mean, variance, count))

    def backward(dys: Pieces) -> tuple[tuple[Pieces | None, ...], dict[str, Array]]:
        slopes, dxs = [_flat(dy) for dy in dys], _like(flats) if context.wanted else None
        along, total = np.empty_like(bias), np.empty_like(bias)
        known = (spec.epsilon, mean, variance, weight, bias)
        _by_channels(differentiating(flats, slopes, dxs, *known, along, total), mean, count)
        found = None if dxs is None else _shaped(dxs, xs)
        return (found,), {"weight": along, "bias": total}

    return _shaped(ys, xs), backward


def moved(
    spec: BatchNormSpec, state: Weights, mean: Array, variance: Array, count: int
) -> dict[str, Array]:
    """Return the running mean and variance after a batch of ``count`` numbers per channel.

    Examples
    --------
    >>> spec, state = BatchNormSpec(layer="batch_norm"), {"mean": 0.0, "variance": 1.0}
    >>> moved(spec, state, 1.0, 0.5, 2)
    {'mean': 0.1, 'variance': 1.0}
    """
    batch = {"mean": mean, "variance": variance * (count / (count - 1))}
    return {name: state[name] + spec.momentum * (batch[name] - state[name]) for name in batch}


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


def _passes(flats: Pieces) -> tuple[Callable[..., OverChannels], Callable[..., OverChannels]]:
    if codegen.available() and not any(map(is_on_gpu, flats)):
        # Only here, because it imports llvmlite.
        from core.conv.codegen import batch_norm

        if batch_norm.fits(flats):
            return batch_norm.normalizing, batch_norm.differentiating
    return _normalizing, _differentiating


def _normalizing(
    xs: Pieces,
    ys: Pieces,
    weight: Array,
    bias: Array,
    epsilon: float,
    mean: Array,
    variance: Array,
) -> OverChannels:
    # As `core.conv.codegen.batch_norm.normalizing`, with NumPy.
    count = sum(x.shape[1] for x in xs)

    def normalize(part: slice) -> None:
        mean[part] = _sum(x[part].sum(axis=1) for x in xs) / count
        for x, y in zip(xs, ys, strict=True):
            np.subtract(x[part], mean[part, None], out=y[part])
        variance[part] = _sum(_products(y[part], y[part]) for y in ys) / count
        scale = weight[part] / np.sqrt(variance[part] + epsilon)
        for y in ys:
            y[part] *= scale[:, None]
            y[part] += bias[part, None]

    return normalize


def _differentiating(
    xs: Pieces,
    dys: Pieces,
    dxs: Pieces | None,
    epsilon: float,
    mean: Array,
    variance: Array,
    weight: Array,
    bias: Array,
    along: Array,
    total: Array,
) -> OverChannels:
    # As `core.conv.codegen.batch_norm.differentiating`, with NumPy.
    count = sum(x.shape[1] for x in xs)
    scale = 1 / np.sqrt(variance + epsilon)

    def differentiate(part: slice) -> None:
        normals = [(x[part] - mean[part, None]) * scale[part, None] for x in xs]
        pairs = [(dy[part], normal) for dy, normal in zip(dys, normals, strict=True)]
        along[part] = _sum(_products(dy, normal) for dy, normal in pairs)
        total[part] = _sum(dy.sum(axis=1) for dy, _ in pairs)
        for dx, (dy, normal) in zip(dxs or (), pairs, strict=dxs is not None):
            # That of the sum, less what goes through mean and variance.
            normal *= (along[part] / -count)[:, None]
            normal += dy
            normal -= (total[part] / count)[:, None]
            np.multiply(normal, (weight[part] * scale[part])[:, None], out=dx[part])

    return differentiate


def _by_channels(work: OverChannels, mean: Array, count: int) -> None:
    channels = len(mean)
    # A GPU is parallel by itself, and has no use for blocks that fit a core's cache.
    step = channels if is_on_gpu(mean) else max(1, _BLOCK // count)
    parts = (slice(first, min(first + step, channels)) for first in range(0, channels, step))
    for_each(work, parts, never, cores())


def _sum(parts: Iterable[Array]) -> Array:
    return reduce(np.add, parts)


def _flat(x: Array) -> Array:
    return array_module(x).ascontiguousarray(x).reshape(len(x), -1)


def _like(flats: Pieces) -> Pieces:
    return [np.empty_like(flat) for flat in flats]


def _shaped(flats: Pieces, like: Pieces) -> Pieces:
    return [flat.reshape(x.shape) for flat, x in zip(flats, like, strict=True)]


def _products(a: Array, b: Array) -> Array:
    # Of a device's arrays einsum makes a product by cuBLAS, which no CUDA graph can hold.
    return (a * b).sum(axis=1) if is_on_gpu(a) else np.einsum("cl,cl->c", a, b)


LAYER = Layer(
    name="batch_norm",
    spec=BatchNormSpec,
    shape=shape,
    forward=forward,
    parameters=parameters,
    state=state,
    whole_batch=True,
    forward_pieces=forward_pieces,
)
