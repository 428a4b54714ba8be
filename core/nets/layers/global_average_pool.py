"""The mean of each channel."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from core.arrays import Array, array_module
from core.nets.layer import Context, LayerSpec, Shape
from core.nets.unary import unary
from core.nets.window import spatial_axes


class GlobalAveragePoolSpec(LayerSpec):
    """The mean of each channel: a vector whatever the size of the image."""

    layer: Literal["global_average_pool"]


def shape(spec: GlobalAveragePoolSpec, incoming: Shape) -> Shape:
    """Return ``(channels,)``."""
    spatial_axes(incoming)
    return incoming[:1]


def compute(
    spec: GlobalAveragePoolSpec, x: Array, context: Context
) -> tuple[Array, Callable[[Array], Array]]:
    """Return the means of ``x (channels, *spatial, images)``."""
    xp = array_module(x)
    axes = tuple(range(1, x.ndim - 1))
    count = math.prod(x.shape[1:-1])

    def gradient(dy: Array) -> Array:
        share = xp.expand_dims(dy / count, axes)
        return xp.ascontiguousarray(xp.broadcast_to(share, x.shape))

    return x.mean(axis=axes), gradient


LAYER = unary("global_average_pool", GlobalAveragePoolSpec, compute, shape)
