"""Captures of the stand-in's streams: what is called is recorded, and done again when launched.

As on a device, nothing has happened when a capture ends: what was there before is as it was, and
what was made meanwhile holds rubbish until the graph is launched. A launch calls the same functions
on the same memory. What a capture may not hold is refused as CuPy refuses it: reading from the
device or bringing something over, cuBLAS, cuRAND, and memory that others may get, too.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.conv import device, gradients
from core.conv.algorithms import direct
from core.conv.cuda import transfers
from core.nets import constants
from tests.core.conv.cuda import standin, streams

_BLAS = {"matmul", "dot", "vdot", "inner", "tensordot", "einsum"}
_READING = ("get", "item", "tolist", "__bool__", "__int__", "__float__", "__complex__", "__index__")
# To concatenate more, CuPy makes an array of addresses.
_FEW = 8
_FINDING = {"nonzero", "flatnonzero", "argwhere", "unique"}


class Recorder:
    """What is being captured, and how often the host has read from the device.

    Attributes
    ----------
    reads, launches : int
        How often the host has waited for numbers of the device; launches of graphs.
    refuses : str or None
        Why the driver captures nothing.
    left : set of int
        Pools of memory, by `id`, whose blocks nobody has freed: CuPy does not do so by itself.
    """

    def __init__(self) -> None:
        self.reads = self.launches = 0
        self.refuses: str | None = None
        self.pools: list[object] = []
        self.left: set[int] = set()
        self._tape: list[tuple[Callable[..., Any], Any, Any, Any]] | None = None
        self._before: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._made: dict[int, np.ndarray] = {}
        self._spoilt = False

    def call(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Call what runs on the device."""
        if self._tape is None:
            return function(*args, **options)
        tape, self._tape = self._tape, None
        try:
            for array in _arrays((args, options)):
                root = streams.root_of(array)
                if id(root) not in self._made:
                    self._before.setdefault(id(root), (root, root.copy()))
            found = function(*args, **options)
        finally:
            self._tape = tape
        for array in _arrays(found):
            root = streams.root_of(array)
            if id(root) not in self._before:
                self._made[id(root)] = root
        tape.append((function, args, options, found))
        return found

    def read(self) -> None:
        """Let the host wait for the device."""
        self.reads += 1
        self.forbid("the current stream is capturing, so nothing goes to the host")

    def forbid(self, what: str, error: type[Exception] = RuntimeError) -> None:
        """Refuse what a capture may not hold."""
        if self._tape is not None:
            self._spoilt = True
            raise error(what)

    def begin(self, stream: streams.Stream) -> None:
        """Begin to capture."""
        assert streams.CURRENT[-1] is stream
        assert stream.name != "default"
        assert self.pools, "what a capture allocates would be anybody's"
        if self.refuses is not None:
            raise RuntimeError(self.refuses)
        self._tape, self._spoilt = [], False
        self._before, self._made = {}, {}

    def end(self, _: streams.Stream) -> Graph:
        """Return the graph; nothing has happened."""
        assert self._tape is not None
        tape, self._tape = self._tape, None
        for root, copy in self._before.values():
            root[...] = copy
        for root in self._made.values():
            if root.flags.writeable:
                root.fill(np.nan if root.dtype.kind in "fc" else np.iinfo(np.int8).max)
        if self._spoilt:
            raise RuntimeError("cudaErrorStreamCaptureInvalidated")
        return Graph(self, tape)


class Graph:
    """What `cupy.cuda.Graph` offers."""

    def __init__(self, recorder: Recorder, tape: list[Any]) -> None:
        self._recorder, self._tape = recorder, tape

    def launch(self, stream: streams.Stream) -> None:
        """Do again what was recorded."""
        self._recorder.launches += 1
        with stream, np.errstate(all="ignore"):
            for function, args, options, found in self._tape:
                _into(found, function(*args, **options))


def install(patch: pytest.MonkeyPatch, cupy: Any) -> Recorder:
    """Let the stand-in capture."""
    recorder = Recorder()
    array = standin.ndarray

    def recorded(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **options: recorder.call(function, *args, **options)

    def method(name: str, before: Callable[..., None]) -> None:
        original = getattr(array, name)

        def replaced(self: Any, *args: Any, **options: Any) -> Any:
            before(self, *args)
            return recorder.call(original, self, *args, **options)

        patch.setattr(array, name, replaced)

    def of_function(_: Any, function: Any, __: Any, arguments: Any = (), *___: Any) -> None:
        _check(recorder, function.__name__, arguments)

    def of_index(_: Any, index: Any, *__: Any) -> None:
        parts = index if isinstance(index, tuple) else (index,)
        if any(isinstance(part, array) and part.dtype == bool for part in parts):
            recorder.read()

    method("__array_ufunc__", of_function)
    method("__array_function__", of_function)
    method("__getitem__", of_index)
    method("__setitem__", lambda *_: None)
    for name in _READING:
        method(name, lambda *_: recorder.read())
    method("set", lambda *_: recorder.forbid("H2D transfers are not allowed"))
    launch = standin._Kernel.__call__
    patch.setattr(
        standin._Kernel,
        "__call__",
        lambda *args, **options: recorder.call(launch, *args, **options),
    )
    called, bringing = standin._called, standin._bringing

    def checked(function: Callable[..., Any]) -> Callable[..., Any]:
        owner = getattr(function, "__self__", None)
        own = (array(owner),) if isinstance(owner, np.ndarray) else ()
        inner = called(function)

        def call(*args: Any, **options: Any) -> Any:
            _check(recorder, function.__name__, args)
            # The array whose method it is may be written to.
            return recorder.call(lambda _, *a, **o: inner(*a, **o), own, *args, **options)

        return call

    def brought(function: Callable[..., Any]) -> Callable[..., Any]:
        inner = bringing(function)

        def bring(value: Any, *args: Any, **options: Any) -> Any:
            if not isinstance(value, array):
                recorder.forbid("H2D transfers are not allowed")
            return recorder.call(inner, value, *args, **options)

        return bring

    patch.setattr(standin, "_called", checked)
    patch.setattr(standin, "_bringing", brought)
    patch.setattr(streams.Stream, "begin_capture", lambda self: recorder.begin(self), raising=False)
    patch.setattr(streams.Stream, "end_capture", lambda self: recorder.end(self), raising=False)

    @contextlib.contextmanager
    def using_allocator(malloc: Any) -> Iterator[None]:
        recorder.pools.append(malloc)
        try:
            yield
        finally:
            recorder.pools.pop()

    def pool() -> types.SimpleNamespace:
        made = types.SimpleNamespace(malloc=object())
        recorder.left.add(id(made))
        made.free_all_blocks = lambda: recorder.left.discard(id(made))
        return made

    patch.setattr(cupy.cuda, "using_allocator", using_allocator)
    patch.setattr(cupy.cuda, "MemoryPool", pool, raising=False)
    return recorder


@contextlib.contextmanager
def nets(folder: Path) -> Iterator[tuple[Any, Recorder]]:
    """Let nets find a stand-in that captures under CuPy's name; yield it and its recorder.

    Convolutions are operations on arrays: kernels have tests of their own.
    """
    found = standin.modules(
        folder, {"name": b"a stand-in", "sharedMemPerBlockOptin": 0, "major": 7, "minor": 5}
    )
    generated = direct._generated
    with pytest.MonkeyPatch.context() as patch:
        recorder = install(patch, found["cupy"])
        for name, module in found.items():
            patch.setitem(sys.modules, name, module)
        patch.setattr(
            direct,
            "_generated",
            lambda form, where, cap: None if where.kind == "gpu" else generated(form, where, cap),
        )
        patch.setattr(direct, "numpy_run", as_kernel(recorder, direct.numpy_run))
        yield found["cupy"], recorder
    for cached in (device.gpu, device._gpu, transfers.transfers):
        cached.cache_clear()
    constants._of_streams.clear()


@contextlib.contextmanager
def precisions() -> Iterator[list[tuple[str, str]]]:
    """Yield whose convolutions are computed, and what their problems allow to be multiplied."""
    found: list[tuple[str, str]] = []

    def telling(name: str, execute: Callable[..., Any]) -> Callable[..., Any]:
        def computing(problem: Any, *args: Any, **options: Any) -> Any:
            found.append((name, problem.precision))
            return execute(problem, *args, **options)

        return computing

    with pytest.MonkeyPatch.context() as patch:
        # The package has a function of this name.
        plan = importlib.import_module("core.conv.plan")
        patch.setattr(plan, "execute", telling("plan", plan.execute))
        patch.setattr(gradients, "execute", telling("gradients", gradients.execute))
        yield found


def as_kernel(recorder: Recorder, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that is recorded as a whole, as what it stands for is one kernel."""
    return lambda *args, **options: recorder.call(function, *args, **options)


def _check(recorder: Recorder, name: str, arguments: Any) -> None:
    if name == "concatenate" and len(arguments[0]) > _FEW:
        recorder.forbid("H2D transfers are not allowed")
    if name == "sliding_window_view":
        # CuPy makes an array of the lengths, and asks whether they are negative.
        recorder.forbid("H2D transfers are not allowed")
    if name in _BLAS:
        recorder.forbid("calling cuBLAS API during stream capture", NotImplementedError)
    if name in _FINDING:
        recorder.read()


def _arrays(value: Any) -> Iterator[np.ndarray]:
    if isinstance(value, standin.ndarray):
        yield value._memory
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _arrays(each)
    elif isinstance(value, dict):
        yield from _arrays(list(value.values()))


def _into(found: Any, again: Any) -> None:
    for old, new in zip(_arrays(found), _arrays(again), strict=True):
        if not np.shares_memory(old, new):
            old[...] = new
