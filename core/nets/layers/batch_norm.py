"""Batch normalization: every channel has mean 0 and variance 1 over the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import Literal, TypeVar

import numpy as np
from pydantic import Field

from core.arrays import Array
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

Item = TypeVar("Item")
Result = TypeVar("Result")


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

    Each piece gives its sums, and is then brought to the mean and variance of all: twice through
    the cores instead of once through one array.

    Raises
    ------
    InvalidInput
        A batch has only one number for each channel.
    """
    (xs,) = inputs
    flats = [x.reshape(len(x), -1) for x in xs]
    count = sum(flat.shape[1] for flat in flats)
    if count < 2:
        raise InvalidInput(
            "batch norm learns nothing from one number per channel",
            field="batch",
            given=sum(x.shape[-1] for x in xs),
            accepted="two or more images",
        )
    moments = _each(_moments, flats)
    mean = _sum(own * flat.shape[1] for (own, _), flat in zip(moments, flats, strict=True)) / count
    # Squares of distances from the mean of a piece, and of that from the mean of all.
    squares = _sum(
        own_squares + np.square(own - mean) * flat.shape[1]
        for (own, own_squares), flat in zip(moments, flats, strict=True)
    )
    variance = squares / count
    for name, new in (("mean", mean), ("variance", squares / (count - 1))):
        old = context.state[name]
        context.updates[name] = old + spec.momentum * (new - old)
    scale = 1 / np.sqrt(variance + spec.epsilon)

    def backward(dys: Pieces) -> tuple[tuple[Pieces | None, ...], dict[str, Array]]:
        flat_dys = [dy.reshape(flat.shape) for dy, flat in zip(dys, flats, strict=True)]
        pairs = list(zip(flats, flat_dys, strict=True))

        def sums(pair: tuple[Array, Array]) -> tuple[Array, Array]:
            flat, dy = pair
            # The mean is subtracted first: the product with the numbers themselves, less that
            # with the mean, would lose digits.
            return _products(dy, flat - mean[:, None]) * scale, dy.sum(axis=1)

        found = _each(sums, pairs)
        along, total = _sum(a for a, _ in found), _sum(t for _, t in found)

        def differentiate(pair: tuple[Array, Array]) -> Array:
            # That of the sum, less what goes through mean and variance.
            flat, dy = pair
            dx = flat - mean[:, None]
            dx *= (scale * along / -count)[:, None]
            dx += dy
            dx -= (total / count)[:, None]
            dx *= (weights["weight"] * scale)[:, None]
            return dx

        dxs = _shaped(_each(differentiate, pairs), xs) if context.wanted else None
        return (dxs,), {"weight": along, "bias": total}

    def normalize(flat: Array) -> Array:
        y = flat - mean[:, None]
        y *= (scale * weights["weight"])[:, None]
        y += weights["bias"][:, None]
        return y

    return _shaped(_each(normalize, flats), xs), backward


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


def _moments(flat: Array) -> tuple[Array, Array]:
    """Return each channel's mean, and the sum of the squares of distances from it.

    From these those of all pieces are found without a loss of digits (T. F. Chan et al.,
    "Algorithms for computing the sample variance", 1983).
    """
    mean = flat.mean(axis=1)
    centred = flat - mean[:, None]
    return mean, _products(centred, centred)


def _each(compute: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    found: dict[int, Result] = {}

    def work(number: int) -> None:
        found[number] = compute(items[number])

    for_each(work, range(len(items)), never, cores())
    return [found[number] for number in range(len(items))]


def _sum(parts: Iterable[Array]) -> Array:
    return reduce(np.add, parts)


def _shaped(flats: Pieces, like: Pieces) -> Pieces:
    return [flat.reshape(x.shape) for flat, x in zip(flats, like, strict=True)]


def _products(a: Array, b: Array) -> Array:
    return np.einsum("cl,cl->c", a, b)


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
