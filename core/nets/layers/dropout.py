"""Values left out by chance while training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, array_module
from core.nets.chance import bits
from core.nets.layer import Context, LayerSpec, Shape
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
    """Return ``x`` with zeros drawn by chance, or ``x`` outside of training.

    They come from ``context.random``; where the step is counted on the device they are drawn
    there, others than these.
    """
    if not context.training:
        return x, lambda dy: dy
    if context.counter is None:
        factor = array_module(x).asarray(factors(spec, x.shape, x.dtype, context.random))
    else:
        factor = _factors_there(spec, x, context)
    return x * factor, lambda dy: dy * factor


def factors(
    spec: DropoutSpec, shape: Shape, dtype: np.dtype[np.floating], random: np.random.Generator
) -> Array:
    """Return what to multiply by: 0 by chance, else what keeps the mean.

    Examples
    --------
    >>> spec = DropoutSpec(layer="dropout", rate=0.5)
    >>> set(factors(spec, (100,), np.dtype("float32"), np.random.default_rng(0)).tolist())
    {0.0, 2.0}
    """
    found = (random.random(shape, dtype="float32") >= spec.rate).astype(dtype)
    found *= 1 / (1 - spec.rate)
    return found


def _factors_there(spec: DropoutSpec, x: Array, context: Context) -> Array:
    drawn = bits(context.seed, context.counter, x.shape)
    found = (drawn >= np.uint64(round(spec.rate * 2**32))).astype(x.dtype)
    found *= 1 / (1 - spec.rate)
    return found


LAYER = unary("dropout", DropoutSpec, compute, half=True)
