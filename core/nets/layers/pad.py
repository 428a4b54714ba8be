"""A frame of one value around the image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import Field

from core.arrays import Array, array_module
from core.conv.arguments import per_axis
from core.nets.layer import Context, LayerSpec, Shape
from core.nets.unary import unary
from core.nets.window import Widths, spatial_axes


class PadSpec(LayerSpec):
    """A constant before and after each spatial axis."""

    layer: Literal["pad"]
    before: Widths = Field(default=0, description="How many before the first.")
    after: Widths = Field(default=0, description="How many after the last.")
    value: float = Field(default=0.0, allow_inf_nan=False, description="Of the frame.")


def shape(spec: PadSpec, incoming: Shape) -> Shape:
    """Return ``(channels, *longer)``."""
    around = _around(spec, incoming)
    axes = zip(incoming[1:], around, strict=True)
    return (incoming[0], *(before + n + after for n, (before, after) in axes))


def compute(spec: PadSpec, x: Array, context: Context) -> tuple[Array, Callable[[Array], Array]]:
    """Return ``x (channels, *spatial, images)`` in its frame."""
    xp = array_module(x)
    around = _around(spec, x.shape[:-1])
    axes = zip(x.shape[1:-1], around, strict=True)
    inside = (slice(None), *(slice(before, before + n) for n, (before, _) in axes))
    y = xp.full((*shape(spec, x.shape[:-1]), x.shape[-1]), spec.value, x.dtype)
    y[inside] = x
    return y, lambda dy: dy[inside]


def _around(spec: PadSpec, incoming: Shape) -> list[tuple[int, int]]:
    axes = len(spatial_axes(incoming))
    before, after = (per_axis(name, getattr(spec, name), axes, 0) for name in ("before", "after"))
    return list(zip(before, after, strict=True))


LAYER = unary("pad", PadSpec, compute, shape, half=True)
