"""What an optimiser is: a Spec, a state of named arrays, and one step in place.

An optimiser is one file that ends with ``OPTIMISER = Optimiser(...)``, and two lines in
`core.nets.optimisers`. The learning rate is not its own: it comes from a schedule
(`core.nets.schedules`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from core.arrays import Array, array_module, is_on_gpu
from core.nets.layer import Weights

# Elements of a block: with what is kept beside them and what comes between they stay in a core's
# second cache. Smaller blocks would fit the first one, but calls would cost more than they save.
_BLOCK = 1 << 15


class OptimiserSpec(BaseModel):
    """Base of the description of every optimiser."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    optimiser: str
    weight_decay: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="How strongly weights are drawn to zero; biases and scales are not.",
    )


SpecT = TypeVar("SpecT", bound=OptimiserSpec)


@dataclass(frozen=True)
class Optimiser(Generic[SpecT]):
    """A kind of optimiser.

    Attributes
    ----------
    name : str
        The value of ``optimiser`` in its description.
    spec : type
        The pydantic model of the description.
    init : callable
        ``(spec, parameters) -> state``: for the arrays that are learned, by name, what the
        optimiser keeps, by name: ``conv1.weight.momentum``, and ``step``, the number of steps
        that were taken, where it counts them. It holds all that the next step depends on.
    update : callable
        ``(spec, weights, gradients, state, rate, decays) -> None`` takes one step in place:
        ``weights`` of the names that ``gradients`` has, and ``state``, are written to, gradients
        are not. ``decays`` is the names upon which ``weight_decay`` acts. Every element is
        computed by itself, so that the result does not depend on anything but the arguments.
        What is not finite stays so, without a warning. Of arrays on a device ``rate`` is one, too,
        without axes and of their dtype, and nothing is read by the host.
    """

    name: str
    spec: type[SpecT]
    init: Callable[[SpecT, Weights], dict[str, Array]]
    update: Callable[
        [SpecT, Weights, Weights, dict[str, Array], float | Array, Collection[str]],
        None,
    ]


def zeros(parameters: Weights, kinds: Sequence[str]) -> dict[str, Array]:
    """Return arrays of zeros for every parameter, one of each kind.

    Examples
    --------
    >>> zeros({"dense1.bias": np.ones(2)}, ["mean", "square"])
    {'dense1.bias.mean': array([0., 0.]), 'dense1.bias.square': array([0., 0.])}
    """
    return {
        f"{name}.{kind}": array_module(array).zeros_like(array)
        for name, array in parameters.items()
        for kind in kinds
    }


def count(state: dict[str, Array]) -> int | Array:
    """Add 1 to ``state["step"]`` and return it: the number of this step, from 1.

    On a device it is an array without axes.

    Examples
    --------
    >>> state = new_count()
    >>> count(state), count(state)
    (1, 2)
    """
    state["step"] += 1
    return state["step"] if is_on_gpu(state["step"]) else int(state["step"])


def new_count() -> dict[str, Array]:
    """Return the state of `count` before the first step."""
    return {"step": np.zeros((), np.int64)}


def blocks(
    spec: OptimiserSpec,
    weights: Weights,
    gradients: Weights,
    state: Mapping[str, Array],
    kinds: Sequence[str],
    decays: Collection[str],
    *,
    coupled: bool = True,
) -> Iterator[tuple[Array, Array, list[Array], bool]]:
    """Yield parts of every parameter that fit the cache.

    Parameters
    ----------
    spec, weights, gradients, state, decays
        As `Optimiser.update` has them. Arrays of ``weights`` and ``state`` are contiguous.
    kinds : sequence of str
        The names of what is kept beside each parameter.
    coupled : bool
        Whether weight decay is part of the gradient, ``g + weight_decay * w``, as the gradient of
        ``weight_decay / 2 * |w|**2`` would be.

    Yields
    ------
    weight, gradient, kept, decay
        Flat views, to be written to, of the weight and, in a list, of each kind; the gradient,
        not to be written to; and whether weight decay acts.
    """
    for name, gradient in gradients.items():
        decay = bool(spec.weight_decay) and name in decays
        whole = [weights[name], *(state[f"{name}.{kind}"] for kind in kinds)]
        # Of any other array reshape makes a copy, and the step would be lost.
        assert all(array.flags.c_contiguous for array in whole), name
        flat = [array.reshape(-1) for array in whole]
        slopes = gradient.reshape(-1)
        # A GPU has no use for blocks that fit a core's cache.
        block = max(1, slopes.size) if is_on_gpu(slopes) else _BLOCK
        for start in range(0, slopes.size, block):
            weight, *kept = (array[start : start + block] for array in flat)
            slope = slopes[start : start + block]
            if decay and coupled:
                slope = slope + spec.weight_decay * weight
            yield weight, slope, kept, decay
