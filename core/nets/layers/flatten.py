"""A vector of all values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from core.arrays import Array
from core.nets.layer import Context, LayerSpec, Shape
from core.nets.unary import unary


class FlattenSpec(LayerSpec):
    """All values of an image as one vector: channel by channel, row by row."""

    layer: Literal["flatten"]


def shape(spec: FlattenSpec, incoming: Shape) -> Shape:
    """Return ``(features,)``."""
    return (math.prod(incoming),)


def compute(
    spec: FlattenSpec, x: Array, context: Context
) -> tuple[Array, Callable[[Array], Array]]:
    """Return ``x`` as ``(features, images)``."""
    return x.reshape(-1, x.shape[-1]), lambda dy: dy.reshape(x.shape)


LAYER = unary("flatten", FlattenSpec, compute, shape, half=True)
