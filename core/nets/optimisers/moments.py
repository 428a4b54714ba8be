"""The step that Adam and AdamW share; they differ in weight decay only."""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field

from core.arrays import Array
from core.nets.layer import Weights
from core.nets.optimisers.optimiser import OptimiserSpec, new_count, zeros

KINDS = ("mean", "square")


class MomentsSpec(OptimiserSpec):
    """What describes an optimiser that follows mean and mean square of the gradients."""

    beta1: float = Field(default=0.9, ge=0, lt=1, description="How much of the mean is kept.")
    beta2: float = Field(
        default=0.999, ge=0, lt=1, description="How much of the mean square is kept."
    )
    epsilon: float = Field(
        default=1e-8, gt=0, le=1, description="Added to the root, which may be zero."
    )


def init(spec: MomentsSpec, parameters: Weights) -> dict[str, Array]:
    """Return mean and mean square of every parameter's gradient, and the count of steps."""
    return {**zeros(parameters, KINDS), **new_count()}


def step(
    spec: MomentsSpec,
    weight: Array,
    slope: Array,
    kept: list[Array],
    number: int | Array,
    rate: float | Array,
) -> None:
    """Take step ``number``, from 1, for one block of a parameter.

    ``m = beta1 * m + (1 - beta1) * g`` and ``v = beta2 * v + (1 - beta2) * g**2`` begin with zeros
    and are corrected for that: ``w -= rate * m' / (sqrt(v') + epsilon)`` where ``m' = m / (1 -
    beta1**number)``, ``v' = v / (1 - beta2**number)`` (D. P. Kingma and J. Ba, "Adam: a method for
    stochastic optimization", 2015, algorithm 1).
    """
    mean, square = kept
    mean *= spec.beta1
    mean += (1 - spec.beta1) * slope
    change = slope * slope
    change *= 1 - spec.beta2
    square *= spec.beta2
    square += change
    np.sqrt(square, out=change)
    length, root = _corrections(spec, number, rate)
    change /= root
    change += spec.epsilon
    np.divide(mean, change, out=change)
    change *= length
    weight -= change


def _corrections(
    spec: MomentsSpec, number: int | Array, rate: float | Array
) -> tuple[float | Array, float | Array]:
    # The rate over the share of the mean that there is, and the root of that of the mean square.
    mean, square = 1 - spec.beta1**number, 1 - spec.beta2**number
    if isinstance(rate, float | int):
        return rate / mean, math.sqrt(square)
    return (rate / mean).astype(rate.dtype), np.sqrt(square).astype(rate.dtype)
