"""The steps of a training on a GPU, and what comes of them in host memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from core.arrays import Array
from core.conv.blocks import Check
from core.conv.cuda.memory import is_too_little_memory, make_room
from core.errors import TooLarge
from core.nets.data.dataset import Dataset
from core.nets.layers import embedding
from core.nets.losses import AnyLoss, loss_of
from core.nets.network import Network
from core.nets.training.batches import steps
from core.nets.training.gpu import loss_scale
from core.nets.training.gpu.arena import Arena
from core.nets.training.gpu.graph import Recorded
from core.nets.training.gpu.source import Resident, Source, Staged
from core.nets.training.gpu.step import Step
from core.nets.training.options import TrainOptions
from core.nets.training.split import Indices
from core.nets.training.state import State

# The host looks at figures after so many steps, or so long a time, whatever comes first.
_STEPS, _SECONDS = 32, 0.1


class Figures(NamedTuple):
    """What a step found: its loss, how many images it got right, and how many there were."""

    loss: float
    correct: int
    images: int


@contextmanager
def telling_memory(cupy: Any) -> Iterator[None]:
    """Say what helps where the device has too little memory.

    Raises
    ------
    TooLarge
        With how much is free of how much.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_too_little_memory(cupy, error):
            raise
        free, total = cupy.cuda.runtime.memGetInfo()
        raise TooLarge(
            "the device has too little memory left for the training",
            field="options.batch",
            given=f"{free} bytes free of {total}",
            accepted="a smaller batch, or a smaller net",
        ) from None


class GpuTraining:
    """The steps of a training on the current device of CuPy.

    Parameters
    ----------
    cupy : module
    network : Network
    data : Dataset
    images : ndarray of int64
        The images to learn from.
    options : TrainOptions
    loss : LossSpec
    seed : tuple of int
        Where dropout's random numbers start.
    room : int
        Bytes of the device that the images may take; where they take more they are brought over
        batch by batch.

    Attributes
    ----------
    resident : bool
        Whether all images lie on the device.
    """

    def __init__(
        self,
        cupy: Any,
        network: Network,
        data: Dataset,
        images: Indices,
        options: TrainOptions,
        loss: AnyLoss,
        *,
        seed: tuple[int, ...],
        room: int,
    ) -> None:
        self._count, self._batch = len(images), options.batch
        # The default stream cannot be captured.
        self._stream = cupy.cuda.Stream(non_blocking=True)
        self.resident = bytes_of(data, len(images)) <= room
        self._cupy = cupy
        # What kernels of jobs before have left would be missing until the last step.
        make_room(cupy)
        with telling_memory(cupy), self._stream:
            scale = {n: cupy.asarray(a) for n, a in scale_of(options).items()}
            averaged = options.ema is not None
            self._arena = Arena(cupy, network, options.optimiser, averaged=averaged, beside=scale)
            self._step = Step(
                cupy,
                network,
                loss,
                options,
                self._arena,
                scale,
                steps=steps(self._count, options.batch),
                seed=seed,
                classified=data.classes is not None,
            )
            self._recorded = Recorded(cupy, self._stream, self._step)
            inspect = _inspecting(network, loss)
            self._source: Source = (
                Resident(cupy, data, images, options, inspect)
                if self.resident
                else Staged(cupy, self._stream, data, images, options, inspect)
            )
        # Steps of this epoch that were launched, and those of them whose figures are known.
        self._launched = self._known = 0

    @property
    def refused(self) -> str | None:
        """Why steps are taken without CUDA graphs, if they are."""
        return self._recorded.refused

    def load(self, state: State) -> None:
        """Go on from ``state``."""
        with self._stream:
            self._arena.load(state)

    def store(self, state: State) -> None:
        """Put weights, optimiser and averages as they are now into ``state``."""
        with self._stream:
            self._arena.store(state)

    def epoch(
        self, epoch: int, first: int, rate: Callable[[int], float], check: Check
    ) -> Generator[list[Figures]]:
        """Take the steps of an epoch from ``first`` on, and yield their figures, some at a time.

        Parameters
        ----------
        epoch, first : int
            From 0.
        rate : callable
            The learning rate of a step, counted from 0 through all epochs.
        check : callable
            Called before every step. If it raises, `figures` has those that were not yielded.
        """
        count = steps(self._count, self._batch)
        self._launched = self._known = first
        with telling_memory(self._cupy), self._stream:
            before = epoch * count
            self._step.begin([rate(before + n) for n in range(count)], first, before + first)
            looked = time.monotonic()
            for x, y in self._source.epoch(epoch, first):
                check()
                self._recorded(x, y)
                self._launched += 1
                now = time.monotonic()
                if self._launched - self._known >= _STEPS or now - looked >= _SECONDS:
                    yield self.figures()
                    looked = time.monotonic()
            yield self.figures()

    def figures(self) -> list[Figures]:
        """Return the figures of the steps that were launched since it was last asked."""
        first, stop = self._known, self._launched
        with self._stream:
            rows = self._step.figures(first, stop).tolist()
        self._known = stop
        count = steps(self._count, self._batch)
        left = self._count - (count - 1) * self._batch
        sizes = (left if step + 1 == count else self._batch for step in range(first, stop))
        return [
            Figures(loss, int(correct), size)
            for (loss, correct), size in zip(rows, sizes, strict=True)
        ]


def scale_of(options: TrainOptions) -> dict[str, Array]:
    """Return what the state has beside the optimiser's own, before the first step."""
    return loss_scale.fresh() if options.precision == "mixed" else {}


def bytes_of(data: Dataset, count: int) -> int:
    """Return the bytes of so many images with what is to be learned of them.

    Examples
    --------
    >>> import io
    >>> import numpy as np
    >>> from core.nets.data import load
    >>> file = io.BytesIO()
    >>> np.savez(file, x=np.zeros((6, 8, 8), np.uint8), y=np.arange(6) % 2)
    >>> bytes_of(load(file.getvalue()), 6)
    432
    """
    x, y = data.batch([0])
    return count * (x.nbytes + y.nbytes)


def _inspecting(network: Network, loss: AnyLoss) -> Callable[[Array, Array], None]:
    outputs = network.output_shape[0]
    vocabularies = [node.spec.vocabulary for node in network.nodes if node.layer.words]  # type: ignore[attr-defined]

    def inspect(x: Array, y: Array) -> None:
        loss_of(loss).check(y, outputs)
        for vocabulary in vocabularies:
            embedding.check_words(x, vocabulary)

    return inspect
