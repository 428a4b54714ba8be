"""RMSprop: gradients divided by the root of their mean square."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import numpy as np
from pydantic import Field

from core.arrays import Array
from core.nets.layer import Weights
from core.nets.optimisers.optimiser import Optimiser, OptimiserSpec, blocks, zeros


class RmspropSpec(OptimiserSpec):
    """Gradients divided by the root of their recent mean square."""

    optimiser: Literal["rmsprop"]
    alpha: float = Field(
        default=0.99, ge=0, lt=1, description="How much of the mean square is kept."
    )
    epsilon: float = Field(
        default=1e-8, gt=0, le=1, description="Added to the root, which may be zero."
    )
    momentum: float = Field(
        default=0.0, ge=0, lt=1, description="How much of the last step is taken again."
    )


def init(spec: RmspropSpec, parameters: Weights) -> dict[str, Array]:
    """Return the mean square of every parameter's gradient, and its momentum if there is any."""
    return zeros(parameters, _kinds(spec))


@np.errstate(over="ignore", invalid="ignore")
def update(
    spec: RmspropSpec,
    weights: Weights,
    gradients: Weights,
    state: dict[str, Array],
    rate: float | Array,
    decays: Collection[str],
) -> None:
    """Take one step: ``d = g / (sqrt(v) + epsilon)``, ``w -= rate * d``.

    ``v = alpha * v + (1 - alpha) * g**2`` is updated before; with momentum ``b = momentum * b +
    d`` takes the place of ``d`` (T. Tieleman and G. Hinton, "Lecture 6.5: RMSProp", 2012; epsilon
    is where PyTorch has it).

    Examples
    --------
    >>> weights, spec = {"w": np.array([1.0])}, RmspropSpec(optimiser="rmsprop")
    >>> update(spec, weights, {"w": np.array([30.0])}, init(spec, weights), 0.01, ())
    >>> weights["w"].round(6)
    array([0.9])
    """
    for weight, slope, kept, _ in blocks(spec, weights, gradients, state, _kinds(spec), decays):
        square, *momenta = kept
        square *= spec.alpha
        square += (1 - spec.alpha) * (slope * slope)
        step = np.sqrt(square)
        step += spec.epsilon
        np.divide(slope, step, out=step)
        for momentum in momenta:
            momentum *= spec.momentum
            momentum += step
            step = momentum
        weight -= rate * step


def _kinds(spec: RmspropSpec) -> list[str]:
    return ["square", "momentum"] if spec.momentum else ["square"]


OPTIMISER = Optimiser(name="rmsprop", spec=RmspropSpec, init=init, update=update)
