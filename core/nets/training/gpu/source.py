"""Where a device gets its batches from: all images lie there, or they are brought as they are used.

Either way a batch holds what it holds on a processor: the same images in the same order, changed by
the same random numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, Protocol

import numpy as np

from core.arrays import Array
from core.nets.augment import augment_of
from core.nets.data.dataset import Dataset
from core.nets.training.batches import augmentation, batches, chosen, order, steps
from core.nets.training.checks import check_finite
from core.nets.training.options import TrainOptions
from core.nets.training.split import Indices

_BROUGHT_AT_ONCE = 1024

Inspect = Callable[[Array, Array], None]
"""Refuses images or targets, in host memory, that nobody looks at on the device."""


class Source(Protocol):
    """Batches on a device."""

    def epoch(self, epoch: int, first: int) -> Iterator[tuple[Array, Array]]:
        """Yield the batches of an epoch from step ``first`` on; each is gone with the next one."""
        ...


class Resident:
    """A data set that lies on the device.

    Parameters
    ----------
    cupy : module
    data : Dataset
    images : ndarray of int64
        The images to learn from; they alone are brought over.
    options : TrainOptions
    inspect : callable
        Sees all that is brought over.

    Raises
    ------
    InvalidInput
        An image or a target has a number that is not finite (names the image).
    """

    def __init__(
        self, cupy: Any, data: Dataset, images: Indices, options: TrainOptions, inspect: Inspect
    ) -> None:
        self._cupy, self._options = cupy, options
        self._count = len(images)
        self._classes = None if data.classes is None else len(data.classes)
        self._x: Array = None
        self._y: Array = None
        for start in range(0, len(images), _BROUGHT_AT_ONCE):
            part = images[start : start + _BROUGHT_AT_ONCE]
            x, y = data.batch(part)
            check_finite(x, part, "data.x")
            check_finite(y, part, "data.y")
            inspect(x, y)
            if self._x is None:
                self._x = cupy.empty((len(images), *x.shape[1:]), x.dtype)
                self._y = cupy.empty((len(images), *y.shape[1:]), y.dtype)
            self._x[start : start + len(part)] = cupy.asarray(x)
            self._y[start : start + len(part)] = cupy.asarray(y)

    def epoch(self, epoch: int, first: int) -> Iterator[tuple[Array, Array]]:
        """Yield batches gathered on the device."""
        options = self._options
        # Positions among the images to learn from, in the order in which these would come.
        ordered = order(np.arange(self._count), options.seed, epoch)
        there = self._cupy.asarray(ordered)
        for step in range(first, steps(self._count, options.batch)):
            wanted = there[chosen(self._count, options.batch, step)]
            x, y = self._x.take(wanted, axis=0), self._y.take(wanted, axis=0)
            random = augmentation(options.seed, epoch, step)
            for spec in options.augment:
                x, y = augment_of(spec).apply(spec, x, y, random, self._classes)
            yield x, y


class Staged:
    """A data set of the host, brought over batch by batch while the device computes.

    Batches are made in a thread, go to one of two pinned buffers, and from there to the device on
    a stream of their own.

    Parameters
    ----------
    cupy : module
    stream : cupy.cuda.Stream
        The one that steps are taken on.
    data, images, options, inspect
        As `Resident` takes them.
    """

    def __init__(
        self,
        cupy: Any,
        stream: Any,
        data: Dataset,
        images: Indices,
        options: TrainOptions,
        inspect: Inspect,
    ) -> None:
        self._cupy, self._stream, self._inspect = cupy, stream, inspect
        self._data, self._images, self._options = data, images, options
        self._copies = cupy.cuda.Stream(non_blocking=True)
        self._slots = [_Slot(cupy, stream), _Slot(cupy, stream)]

    def epoch(self, epoch: int, first: int) -> Iterator[tuple[Array, Array]]:
        """Yield batches while the next one is on its way."""
        made = batches(self._data, self._images, self._options, epoch, first)
        with closing(made):
            for number, (x, y) in enumerate(made):
                self._inspect(x, y)
                slot = self._slots[number % 2]
                yield slot.bring(self._copies, x, y)
                slot.used()


class _Slot:
    """Room for a batch, pinned and on the device."""

    def __init__(self, cupy: Any, stream: Any) -> None:
        self._cupy, self._stream = cupy, stream
        self._pinned: list[Array] = []
        self._there: list[Array] = []
        self._arrived, self._used = cupy.cuda.Event(), cupy.cuda.Event()
        self._arrived.record(stream)
        self.used()

    def used(self) -> None:
        """Take note that everything that reads the batch has been launched."""
        self._used.record(self._stream)

    def bring(self, copies: Any, x: Array, y: Array) -> tuple[Array, Array]:
        """Return a batch on the device; its stream waits for it, the host does not."""
        # Of the batch before: it has left the pinned buffer long ago.
        self._arrived.synchronize()
        if not (self._pinned and all(map(_fits, self._pinned, (x, y)))):
            self._make(x, y)
        copies.wait_event(self._used)
        found = []
        for pinned, there, array in zip(self._pinned, self._there, (x, y), strict=True):
            pinned[: len(array)] = array
            part = there[: len(array)]
            part.set(pinned[: len(array)], stream=copies)
            found.append(part)
        self._arrived.record(copies)
        self._stream.wait_event(self._arrived)
        return found[0], found[1]

    def _make(self, x: Array, y: Array) -> None:
        self._pinned = [_pinned(self._cupy, array) for array in (x, y)]
        self._there = [self._cupy.empty(array.shape, array.dtype) for array in (x, y)]
        # What is allocated on a stream is there for another once that has waited for it.
        self.used()


def _fits(buffer: Array, array: Array) -> bool:
    same = buffer.dtype == array.dtype and buffer.shape[1:] == array.shape[1:]
    return same and len(buffer) >= len(array)


def _pinned(cupy: Any, like: Array) -> Array:
    memory = cupy.cuda.alloc_pinned_memory(like.nbytes)
    return np.frombuffer(memory, like.dtype, like.size).reshape(like.shape)
