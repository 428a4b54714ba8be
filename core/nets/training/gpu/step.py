"""One step of training, all of it on the device: what it needs is there, what it finds stays."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.arrays import Array
from core.conv.capturable import capturable
from core.nets.averaging import average
from core.nets.clipping import clip
from core.nets.losses import AnyLoss
from core.nets.network import Network
from core.nets.optimisers import optimiser_of
from core.nets.training.gpu import loss_scale
from core.nets.training.gpu.arena import DECAYING, Arena
from core.nets.training.options import TrainOptions


class Step:
    """A step that is the same for every batch: learning rate and number are read on the device.

    Parameters
    ----------
    cupy : module
    network : Network
    loss : LossSpec
    options : TrainOptions
    arena : Arena
        Weights and what the optimiser keeps; written to.
    scale : dict of str to array
        Of `core.nets.training.gpu.loss_scale`, on the device; empty without mixed precision.
    steps : int
        Of an epoch.
    seed : tuple of int
        Where dropout's random numbers start.
    classified : bool
        Whether classes are learned, so that images can be counted whose class was found.
    """

    def __init__(
        self,
        cupy: Any,
        network: Network,
        loss: AnyLoss,
        options: TrainOptions,
        arena: Arena,
        scale: dict[str, Array],
        *,
        steps: int,
        seed: tuple[int, ...],
        classified: bool,
    ) -> None:
        self._cupy = cupy
        self._network, self._loss, self._options = network, loss, options
        self._arena, self._scale, self._seed = arena, scale, seed
        self._classified = classified
        self._rates = cupy.zeros(steps, np.float32)
        self._figures = cupy.zeros((steps, 2), np.float64)
        self._places = cupy.arange(steps)
        # Of the epoch, and of the training: the next step's.
        self._row, self._number = cupy.zeros((), np.int64), cupy.zeros((), np.int64)

    def begin(self, rates: Array, first: int, number: int) -> None:
        """Get ready for an epoch.

        Parameters
        ----------
        rates : ndarray
            The learning rates of its steps.
        first, number : int
            The next step's number in the epoch, and in the whole training.
        """
        self._rates[...] = self._cupy.asarray(rates, np.float32)
        self._row.fill(first)
        self._number.fill(number)

    def figures(self, first: int, stop: int) -> Array:
        """Return loss and number of correct images of some steps, in host memory."""
        return self._figures[first:stop].get()

    def __call__(self, x: Array, y: Array) -> None:
        """Learn from a batch."""
        options, arena = self._options, self._arena
        with capturable():
            done = self._network.step(
                arena.weights,
                x,
                y,
                self._loss,
                seed=self._seed,
                counter=self._number,
                scale=self._scale.get(loss_scale.SCALE),
                precision=options.products,
            )
            gradients = arena.gather(done.gradients)
            before, finite = [], None
            if self._scale:
                before = [array.copy() for array in arena.written]
                finite = loss_scale.unscale(gradients.values(), self._scale)
            if options.clip is not None:
                clip(gradients, options.clip)
            optimiser_of(options.optimiser).update(
                options.optimiser,
                arena.groups,
                gradients,
                arena.kept,
                self._rates.take(self._row),
                {DECAYING},
            )
            for name, array in done.updates.items():
                arena.weights[name][...] = array
            if options.ema is not None:
                average({"": arena.average}, {"": arena.whole}, options.ema, self._number + 1)
            if finite is not None:
                loss_scale.restore(arena.written, before, finite, self._cupy)
                loss_scale.adapt(self._scale, finite, self._cupy)
            self._note(done.loss, self._correct(done.outputs, y))

    def _note(self, loss: Array, correct: Array) -> None:
        # One row among those of the epoch; the others stay as they are.
        cupy, figures = self._cupy, self._figures
        found = cupy.stack([loss.astype(np.float64), correct.astype(np.float64)])
        figures[...] = cupy.where((self._places == self._row)[:, None], found, figures)
        self._row += 1
        self._number += 1

    def _correct(self, outputs: Array, y: Array) -> Array:
        if not self._classified:
            return self._cupy.zeros((), np.int64)
        labels = y if y.dtype.kind in "iu" else y.argmax(axis=1)
        return (outputs.argmax(axis=1) == labels).sum()
