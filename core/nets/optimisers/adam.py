"""Adam: steps of a length that does not depend on the scale of the gradients."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import numpy as np

from core.arrays import Array
from core.nets.layer import Weights
from core.nets.optimisers.moments import KINDS, MomentsSpec, init, step
from core.nets.optimisers.optimiser import Optimiser, blocks, count


class AdamSpec(MomentsSpec):
    """Steps of about equal length for all weights, whatever their gradients' scale."""

    optimiser: Literal["adam"]


@np.errstate(over="ignore", invalid="ignore")
def update(
    spec: AdamSpec,
    weights: Weights,
    gradients: Weights,
    state: dict[str, Array],
    rate: float | Array,
    decays: Collection[str],
) -> None:
    """Take one step (`core.nets.optimisers.moments.step`) with ``g + weight_decay * w``.

    Examples
    --------
    >>> weights, spec = {"w": np.array([1.0])}, AdamSpec(optimiser="adam")
    >>> update(spec, weights, {"w": np.array([30.0])}, init(spec, weights), 0.1, ())
    >>> weights["w"].round(6)
    array([0.9])
    """
    number = count(state)
    for weight, slope, kept, _ in blocks(spec, weights, gradients, state, KINDS, decays):
        step(spec, weight, slope, kept, number, rate)


OPTIMISER = Optimiser(name="adam", spec=AdamSpec, init=init, update=update)
