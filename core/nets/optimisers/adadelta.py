"""Adadelta: steps as long as the last ones were, in units of the weights."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import numpy as np
from pydantic import Field

from core.arrays import Array
from core.nets.layer import Weights
from core.nets.optimisers.optimiser import Optimiser, OptimiserSpec, blocks, zeros

_KINDS = ("square", "change")


class AdadeltaSpec(OptimiserSpec):
    """Adadelta; its learning rate is customarily 1."""

    optimiser: Literal["adadelta"]
    rho: float = Field(default=0.9, ge=0, lt=1, description="How much of the mean squares is kept.")
    epsilon: float = Field(
        default=1e-6, gt=0, le=1, description="Added under the roots; it starts the first steps."
    )


def init(spec: AdadeltaSpec, parameters: Weights) -> dict[str, Array]:
    """Return mean squares of every parameter's gradient and of its changes."""
    return zeros(parameters, _KINDS)


@np.errstate(over="ignore", invalid="ignore")
def update(
    spec: AdadeltaSpec,
    weights: Weights,
    gradients: Weights,
    state: dict[str, Array],
    rate: float | Array,
    decays: Collection[str],
) -> None:
    """Take one step: ``d = sqrt((u + epsilon) / (v + epsilon)) * g``, ``w -= rate * d``.

    ``v = rho * v + (1 - rho) * g**2`` is updated before and ``u = rho * u + (1 - rho) * d**2``
    after it (M. D. Zeiler, "ADADELTA: an adaptive learning rate method", 2012, algorithm 1).

    Examples
    --------
    >>> weights, spec = {"w": np.array([1.0])}, AdadeltaSpec(optimiser="adadelta")
    >>> update(spec, weights, {"w": np.array([30.0])}, init(spec, weights), 1.0, ())
    >>> weights["w"].round(6)
    array([0.996838])
    """
    for weight, slope, kept, _ in blocks(spec, weights, gradients, state, _KINDS, decays):
        square, change = kept
        square *= spec.rho
        square += (1 - spec.rho) * (slope * slope)
        step = change + spec.epsilon
        step /= square + spec.epsilon
        np.sqrt(step, out=step)
        step *= slope
        weight -= rate * step
        step *= step
        step *= 1 - spec.rho
        change *= spec.rho
        change += step


OPTIMISER = Optimiser(name="adadelta", spec=AdadeltaSpec, init=init, update=update)
