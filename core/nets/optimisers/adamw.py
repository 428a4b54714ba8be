"""AdamW: Adam whose weight decay does not go through the moments."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import numpy as np
from pydantic import Field

from core.arrays import Array
from core.nets.layer import Weights
from core.nets.optimisers.moments import KINDS, MomentsSpec, init, step
from core.nets.optimisers.optimiser import Optimiser, blocks, count


class AdamWSpec(MomentsSpec):
    """Adam whose weight decay acts on the weights themselves."""

    optimiser: Literal["adamw"]
    weight_decay: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Weights shrink by this times the learning rate in each step; biases and "
        "scales do not.",
    )


@np.errstate(over="ignore", invalid="ignore")
def update(
    spec: AdamWSpec,
    weights: Weights,
    gradients: Weights,
    state: dict[str, Array],
    rate: float | Array,
    decays: Collection[str],
) -> None:
    """Shrink by ``w *= 1 - rate * weight_decay``, then take Adam's step.

    The source is I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", 2019,
    algorithm 2, with the learning rate on the decay as PyTorch has it.

    Examples
    --------
    >>> weights, spec = {"w": np.array([1.0])}, AdamWSpec(optimiser="adamw", weight_decay=0.5)
    >>> update(spec, weights, {"w": np.array([30.0])}, init(spec, weights), 0.1, {"w"})
    >>> weights["w"].round(6)
    array([0.85])
    """
    number, shrink = count(state), 1 - rate * spec.weight_decay
    for weight, slope, kept, decay in blocks(
        spec, weights, gradients, state, KINDS, decays, coupled=False
    ):
        if decay:
            weight *= shrink
        step(spec, weight, slope, kept, number, rate)


OPTIMISER = Optimiser(name="adamw", spec=AdamWSpec, init=init, update=update)
