"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from core.arrays import Array
from core.nets.layer import Weights
from core.nets.optimisers.optimiser import Optimiser, OptimiserSpec, blocks, zeros


class SgdSpec(OptimiserSpec):
    """Down the gradient, with or without momentum."""

    optimiser: Literal["sgd"]
    momentum: float = Field(
        default=0.0, ge=0, lt=1, description="How much of the last step is taken again."
    )
    nesterov: bool = Field(
        default=False, description="Whether the step looks ahead along the momentum."
    )

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> SgdSpec:
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov looks ahead along the momentum; give a momentum above 0")
        return self


def init(spec: SgdSpec, parameters: Weights) -> dict[str, Array]:
    """Return the momentum of every parameter, where there is any."""
    return zeros(parameters, _kinds(spec))


@np.errstate(over="ignore", invalid="ignore")
def update(
    spec: SgdSpec,
    weights: Weights,
    gradients: Weights,
    state: dict[str, Array],
    rate: float | Array,
    decays: Collection[str],
) -> None:
    """Take one step: ``v = momentum * v + g``, ``w -= rate * v``.

    With Nesterov's momentum ``w -= rate * (g + momentum * v)``, the gradient being taken where
    the weights are (I. Sutskever et al., "On the importance of initialization and momentum in deep
    learning", 2013, as it is customarily rewritten).

    Examples
    --------
    >>> weights = {"w": np.array([1.0])}
    >>> update(SgdSpec(optimiser="sgd"), weights, {"w": np.array([2.0])}, {}, 0.1, ())
    >>> weights
    {'w': array([0.8])}
    """
    for weight, slope, kept, _ in blocks(spec, weights, gradients, state, _kinds(spec), decays):
        for momentum in kept:
            momentum *= spec.momentum
            momentum += slope
            slope = slope + spec.momentum * momentum if spec.nesterov else momentum
        weight -= rate * slope


def _kinds(spec: SgdSpec) -> list[str]:
    return ["momentum"] if spec.momentum else []


OPTIMISER = Optimiser(name="sgd", spec=SgdSpec, init=init, update=update)
