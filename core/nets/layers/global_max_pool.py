"""The largest value of each channel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from core.arrays import Array, array_module
from core.nets.layer import Context, LayerSpec, Shape
from core.nets.unary import unary
from core.nets.window import spatial_axes


class GlobalMaxPoolSpec(LayerSpec):
    """The largest value of each channel: a vector whatever the size of the image."""

    layer: Literal["global_max_pool"]


def shape(spec: GlobalMaxPoolSpec, incoming: Shape) -> Shape:
    """Return ``(channels,)``."""
    spatial_axes(incoming)
    return incoming[:1]


def compute(
    spec: GlobalMaxPoolSpec, x: Array, context: Context
) -> tuple[Array, Callable[[Array], Array]]:
    """Return the maxima of ``x (channels, *spatial, images)``; of equals the first is changed."""
    xp = array_module(x)
    flat = x.reshape(x.shape[0], -1, x.shape[-1])

    def gradient(dy: Array) -> Array:
        dx = xp.zeros(flat.shape, x.dtype)
        at = flat.argmax(axis=1)
        xp.put_along_axis(dx, at[:, None], dy[:, None], axis=1)
        return dx.reshape(x.shape)

    return flat.max(axis=1), gradient


LAYER = unary("global_max_pool", GlobalMaxPoolSpec, compute, shape)
