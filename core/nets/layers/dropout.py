"""Values left out by chance while training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import Field

from core.arrays import Array, array_module
from core.nets.layer import Context, LayerSpec
from core.nets.unary import unary


class DropoutSpec(LayerSpec):
    """Sets values to 0 by chance while training, and enlarges the others so that means stay.

    N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.
    """

    layer: Literal["dropout"]
    rate: float = Field(default=0.5, ge=0, lt=1, description="The share that is left out.")


def compute(
    spec: DropoutSpec, x: Array, context: Context
) -> tuple[Array, Callable[[Array], Array]]:
    """Return ``x`` with zeros drawn from ``context.random``, or ``x`` outside of training."""
    if not context.training:
        return x, lambda dy: dy
    drawn = context.random.random(x.shape, dtype="float32") >= spec.rate
    factor = array_module(x).asarray(drawn.astype(x.dtype))
    factor *= 1 / (1 - spec.rate)
    return x * factor, lambda dy: dy * factor


LAYER = unary("dropout", DropoutSpec, compute)
