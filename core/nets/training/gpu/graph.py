"""Steps as CUDA graphs: what a step launches is recorded once, and then launched as one.

The rules are those of CUDA's stream capture: the same kernels on the same memory, nothing from or
to the host, no allocation from where others allocate. So a batch is copied to where the recorded
step reads it, and what a step allocates comes from a pool of its own.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from typing import Any, TypeAlias

from core.arrays import Array

_LOGGER = logging.getLogger(__name__)

Take: TypeAlias = Callable[[Array, Array], None]
"""Takes a step with a batch."""


class Recorded:
    """A step that is taken by a CUDA graph from the second time on that a batch has its shape.

    The first time everything is compiled, brought over and allocated; the second time the step is
    recorded. Where that is refused steps go on as they are, and the log says so once.

    Parameters
    ----------
    cupy : module
    stream : cupy.cuda.Stream
        That steps are taken on, and not the default one.
    take : callable
        The step.

    Attributes
    ----------
    refused : str or None
        Why there are no graphs.
    """

    def __init__(self, cupy: Any, stream: Any, take: Take) -> None:
        self._cupy, self._stream, self._take = cupy, stream, take
        self._shapes: dict[tuple[Any, ...], _OfShape] = {}
        self.refused: str | None = None

    def __call__(self, x: Array, y: Array) -> None:
        """Take the step."""
        if self.refused is not None:
            self._take(x, y)
            return
        key = (x.shape, x.dtype, y.shape, y.dtype)
        if key not in self._shapes:
            self._shapes[key] = _OfShape(self._cupy, x, y)
            self._shapes[key].warm_up(self._take, x, y)
            return
        found = self._shapes[key]
        try:
            found.launch(self._stream, self._take, x, y)
        except (NotImplementedError, RuntimeError) as error:
            if found.graph is not None:
                raise
            self.refused = f"{type(error).__name__}: {error}"
            _LOGGER.warning("steps are taken without a CUDA graph: %s", self.refused)
            self._shapes.clear()
            self._take(x, y)


class _OfShape:
    """Batches of one shape: where the step reads them, its memory, and its graph."""

    def __init__(self, cupy: Any, x: Array, y: Array) -> None:
        self._cupy = cupy
        self._x, self._y = cupy.empty_like(x), cupy.empty_like(y)
        # What the graph uses must never be anybody else's.
        self._pool = cupy.cuda.MemoryPool()
        # Of a pool that is gone CuPy frees nothing (seen with 14.2): unused blocks hold each other.
        weakref.finalize(self, self._pool.free_all_blocks)
        self.graph: Any = None

    def warm_up(self, take: Take, x: Array, y: Array) -> None:
        self._fill(x, y)
        with self._cupy.cuda.using_allocator(self._pool.malloc):
            take(self._x, self._y)

    def launch(self, stream: Any, take: Take, x: Array, y: Array) -> None:
        if self.graph is None:
            self.graph = self._captured(stream, take)
        self._fill(x, y)
        self.graph.launch(stream=stream)

    def _fill(self, x: Array, y: Array) -> None:
        self._x[...] = x
        self._y[...] = y

    def _captured(self, stream: Any, take: Take) -> Any:
        with self._cupy.cuda.using_allocator(self._pool.malloc):
            stream.begin_capture()
            try:
                take(self._x, self._y)
            except BaseException:
                _abandon(stream)
                raise
            return stream.end_capture()


def _abandon(stream: Any) -> None:
    # The stream has to leave the capture; that this fails, too, is what CUDA says of one that was
    # spoilt.
    try:
        stream.end_capture()
    except RuntimeError as error:
        _LOGGER.debug("a capture was given up: %s", error)
