"""Weights and what an optimiser keeps, each in one array of the device with views by name.

An optimiser that is given two arrays, the weights that decay and the others, launches as many
kernels for a net of a hundred layers as for one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.arrays import Array
from core.nets.layer import Shape
from core.nets.network import Network
from core.nets.optimisers import AnyOptimiser, optimiser_of
from core.nets.training.state import State

DECAYING, OTHERS = "decaying", "others"
_COUNT = "step"


class Arena:
    """The arrays of a training on a device.

    Parameters
    ----------
    cupy : module
        The device is its current one.
    network : Network
    optimiser : OptimiserSpec
    averaged : bool
        Whether a moving average of the weights is kept.
    beside : dict of str to array
        What else the state of the optimiser has, on the device.

    Attributes
    ----------
    weights : dict of str to array
        Parameters and state by name; views of ``whole``.
    whole, average : array, float32, one axis
        All weights; their moving average, if one is kept.
    groups : dict of str to array
        The parts of ``whole`` that are learned: those that decay, and the others.
    kept : dict of str to array
        What the optimiser keeps for the groups.
    """

    def __init__(
        self,
        cupy: Any,
        network: Network,
        optimiser: AnyOptimiser,
        *,
        averaged: bool,
        beside: Mapping[str, Array],
    ) -> None:
        self._cupy = cupy
        shapes = {name: kind.shape for name, kind in network.parameters.items()}
        self._of_group = {
            DECAYING: {n: s for n, s in shapes.items() if network.parameters[n].decays},
            OTHERS: {n: s for n, s in shapes.items() if not network.parameters[n].decays},
        }
        state = {name: kind.shape for name, kind in network.state.items()}
        every = self._of_group[DECAYING] | self._of_group[OTHERS] | state
        self.whole = cupy.zeros(_size(every), np.float32)
        self.average = cupy.zeros_like(self.whole) if averaged else None
        self.weights = _views(self.whole, every)
        self._averages = {} if self.average is None else _views(self.average, every)
        learned = self._of_group[DECAYING] | self._of_group[OTHERS]
        self._slope = cupy.zeros(_size(learned), np.float32)
        self._slopes = _views(self._slope, learned)
        self.groups = self._groups_of(self.whole)
        self.kept: dict[str, Array] = optimiser_of(optimiser).init(optimiser, self.groups)
        if _COUNT in self.kept:
            self.kept[_COUNT] = cupy.asarray(self.kept[_COUNT])
        self._kept = self._named() | dict(beside)

    @property
    def written(self) -> list[Array]:
        """Everything that a step may write to."""
        return [self.whole, *self.kept.values(), *([] if self.average is None else [self.average])]

    def gather(self, gradients: Mapping[str, Array]) -> dict[str, Array]:
        """Return the gradients of the groups, given those of the parameters."""
        # One after the other: to concatenate more than a few arrays CuPy brings their addresses
        # over, which a CUDA graph cannot hold.
        for name, gradient in gradients.items():
            self._slopes[name][...] = gradient
        return self._groups_of(self._slope)

    def load(self, state: State) -> None:
        """Take over what is in the arrays of ``state``, in host memory."""
        for views, arrays in self._pairs(state):
            for name, view in views.items():
                view[...] = self._cupy.asarray(arrays[name])

    def store(self, state: State) -> None:
        """Put what is here into ``state``, in new arrays in host memory."""
        for views, arrays in self._pairs(state):
            arrays.update({name: view.get() for name, view in views.items()})

    def _groups_of(self, whole: Array) -> dict[str, Array]:
        first, both = (_size(self._of_group[DECAYING]), sum(map(_size, self._of_group.values())))
        parts = {DECAYING: whole[:first], OTHERS: whole[first:both]}
        return {name: part for name, part in parts.items() if part.size}

    def _pairs(self, state: State) -> Sequence[tuple[dict[str, Array], dict[str, Array]]]:
        return (
            (self.weights, state.weights),
            (self._kept, state.optimiser),
            (self._averages, state.average),
        )

    def _named(self) -> dict[str, Array]:
        """Return what the optimiser keeps by the names that it has on the host."""
        found = {}
        for key, array in self.kept.items():
            group, _, kind = key.partition(".")
            if key == _COUNT:
                found[key] = array
                continue
            views = _views(array, self._of_group[group])
            found |= {f"{name}.{kind}": view for name, view in views.items()}
        return found


def _views(whole: Array, shapes: Mapping[str, Shape]) -> dict[str, Array]:
    found, start = {}, 0
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        found[name] = whole[start : start + size].reshape(shape)
        start += size
    return found


def _size(shapes: Mapping[str, Shape]) -> int:
    return sum(int(np.prod(shape)) for shape in shapes.values())
