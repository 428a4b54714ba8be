"""Data of the host on a GPU: brought there, computed with, and taken back, each beside the others.

Three streams do it: copies to the device go on one, computation on the current one, copies back on
another. So while one piece of work is computed, the next one is on its way there and the one before
on its way back. What keeps them in order are three waits, each for an event.

CuPy's pool gives memory to another array of the same stream as soon as nobody holds it, whatever
other streams still do with it. So arrays that come in are of the inward stream's own memory, and
everything that a copy reads or writes is held until it is over.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.arrays import Array, is_on_gpu
from core.conv.cuda.memory import is_too_little_memory, make_room, too_little
from core.errors import TooLarge

Work = Callable[..., Any]
"""From arrays of the device to a result: arrays of the device in tuples, lists, dicts, or alone."""


class Pending:
    """A piece of work that was begun, whose result is on its way; see `Transfers.begin`."""

    def __init__(self, spans: tuple[_Span, _Span, _Span], result: Any, held: object) -> None:
        self._spans = spans
        self._result = result
        self._held = held

    @property
    def is_over(self) -> bool:
        """Whether the result has arrived."""
        done: bool = self._spans[-1].end.done
        return done

    def release(self) -> None:
        """Give back the memory on the device; only once it `is_over`."""
        self._held = None

    def result(self) -> Any:
        """Wait for the result and return it, with its arrays in pinned memory of the host.

        It is handed out once.
        """
        self._spans[-1].end.synchronize()
        self.release()
        result, self._result = self._result, None
        return result

    def seconds(self) -> float:
        """Return how long it was copied and computed; only after `result`."""
        return sum(span.seconds() for span in self._spans)


class Transfers:
    """Brings data to a device and back.

    Parameters
    ----------
    cupy : module
        CuPy, whose current device it is.
    """

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy
        # Of their own: the default stream would wait for them, and they for it.
        self._inward = cupy.cuda.Stream(non_blocking=True)
        self._outward = cupy.cuda.Stream(non_blocking=True)
        self._begun: list[Pending] = []

    def begin(self, work: Work, *arrays: NDArray[Any]) -> Pending:
        """Bring arrays to the device, compute with them, and send the result back.

        Nothing is waited for but what ``work`` waits for.

        Parameters
        ----------
        work : callable
            Called with the arrays on the device.
        *arrays : ndarray
            Of the host. They may be changed afterwards.

        Returns
        -------
        Pending

        Raises
        ------
        MemoryError, RuntimeError
            The device has no memory left, if `core.conv.cuda.memory.is_too_little_memory` says so.
        """
        self._release()
        computing = self._cupy.cuda.get_current_stream()
        held: list[object] = [staged := [self._pinned_copy(x) for x in arrays]]
        try:
            with self._inward:
                held.append(there := [self._cupy.empty(x.shape, x.dtype) for x in staged])
            with _Span(self._cupy, self._inward) as inward:
                for x, array in zip(staged, there, strict=True):
                    array.set(x, self._inward)
            computing.wait_event(inward.end)
            with _Span(self._cupy, computing) as computed:
                made = _mapped(self._cupy.ascontiguousarray, work(*there))
            held.append(made)
            self._outward.wait_event(computed.end)
            with _Span(self._cupy, self._outward) as outward:
                result = _mapped(self._sent_back, made)
        except BaseException:
            for stream in (self._inward, computing, self._outward):
                stream.synchronize()
            raise
        pending = Pending((inward, computed, outward), result, held)
        self._begun.append(pending)
        return pending

    def _release(self) -> None:
        # Also of work whose result nobody asks for any more, because something failed.
        for pending in self._begun:
            if pending.is_over:
                pending.release()
        self._begun = [pending for pending in self._begun if not pending.is_over]

    def _pinned_copy(self, x: NDArray[Any]) -> NDArray[Any]:
        pinned = self._pinned(x.shape, x.dtype)
        np.copyto(pinned, x)
        return pinned

    def _pinned(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        # The memory goes back to CuPy's pool with the last array that is in it.
        size = math.prod(shape) * dtype.itemsize
        try:
            return np.ndarray(shape, dtype, self._cupy.cuda.alloc_pinned_memory(size))
        except self._cupy.cuda.runtime.CUDARuntimeError as error:
            if not is_too_little_memory(self._cupy, error):
                raise
            raise TooLarge(
                "the host has too little memory that can be pinned",
                field="memory",
                accepted=f"{size} bytes",
            ) from None

    def _sent_back(self, y: Array) -> NDArray[Any]:
        back = self._pinned(y.shape, y.dtype)
        y.get(stream=self._outward, out=back, blocking=False)
        return back


@cache
def transfers(cupy: Any) -> Transfers:
    """Return those of this process, whose device CuPy has made the current one."""
    return Transfers(cupy)


def with_enough_memory(begin: Callable[[], Pending], cupy: Any, needed: int) -> Pending:
    """Return what was begun, or say how much memory is missing.

    Parameters
    ----------
    begin : callable
        Begins work; once again after what is kept of kernels, and by the pool, was given back.
    cupy : module
        CuPy.
    needed : int
        Bytes that the work takes on the device, for the error.

    Raises
    ------
    TooLarge
        The device has too little memory, with how much is free and how much is needed.
    """
    for _ in range(2):
        try:
            return begin()
        except (MemoryError, RuntimeError) as error:
            if not is_too_little_memory(cupy, error):
                raise
            make_room(cupy)
    raise too_little(cupy, f"{needed} bytes")


class _Span:
    """From one event on a stream to another."""

    def __init__(self, cupy: Any, stream: Any) -> None:
        self._cupy = cupy
        self._stream = stream
        self._start, self.end = cupy.cuda.Event(), cupy.cuda.Event()

    def __enter__(self) -> _Span:
        self._start.record(self._stream)
        return self

    def __exit__(self, *_: object) -> None:
        self.end.record(self._stream)

    def seconds(self) -> float:
        milliseconds: float = self._cupy.cuda.get_elapsed_time(self._start, self.end)
        return milliseconds / 1e3


def _mapped(function: Callable[[Array], Any], made: Any) -> Any:
    """Return what was made, with ``function`` of each array of the device in its place."""
    if is_on_gpu(made):
        return function(made)
    if isinstance(made, dict):
        return {name: _mapped(function, value) for name, value in made.items()}
    if isinstance(made, tuple) and hasattr(made, "_fields"):
        return type(made)(*(_mapped(function, value) for value in made))
    if isinstance(made, tuple | list):
        return type(made)(_mapped(function, value) for value in made)
    return made
