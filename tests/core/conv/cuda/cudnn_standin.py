"""A stand-in for the module ``cudnn``: graphs are checked, and computed from the definition.

Plans with notes that convq does not want come first. They compute what the notes say (rounded
numbers, sums that differ, one NaN everywhere), so that a note that is not deselected is seen in the
result. Arrays are read and written by address and strides.
"""

from __future__ import annotations

import contextlib
import ctypes
import enum
import itertools
import math
import sys
import types
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest

from core.conv import device, make_plan
from core.conv.algorithms import cudnn as algorithm
from core.conv.cuda import cudnn as library
from tests.core.conv.cuda import streams

_ALIGNED = 16

data_type = enum.Enum("data_type", "HALF FLOAT DOUBLE")
heur_mode = enum.Enum("heur_mode", "A B FALLBACK")
numerical_note = enum.Enum(
    "numerical_note",
    "DOWN_CONVERT_INPUTS REDUCED_PRECISION_REDUCTION FFT WINOGRAD NONDETERMINISTIC TENSOR_CORE",
)
_NUMPY = {data_type.HALF: np.float16, data_type.FLOAT: np.float32, data_type.DOUBLE: np.float64}
_STEPS = [
    "validate", "build_operation_graph", "create_execution_plans", "check_support", "build_plans",
]  # fmt: skip


class cudnnGraphNotSupportedError(RuntimeError):  # noqa: N801 (cuDNN's name)
    """The library has no plan."""


class Handle:
    """What `cudnn.create_handle` makes; of its stream's address."""

    stream: int | None = None


class Tensor:
    """An array of a graph."""

    def __init__(self, **about: Any) -> None:
        self.is_output = False
        vars(self).update(about)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("set_"):
            raise AttributeError(name)

        def assign(value: Any) -> Tensor:
            setattr(self, name.replace("set_output", "is_output").removeprefix("set_"), value)
            return self

        return assign


class pygraph:  # noqa: N801 (cuDNN's name)
    """A graph of one convolution, or one of its gradients."""

    built: ClassVar[list[pygraph]] = []
    """Every graph that was planned."""
    refuses: str | None = None
    """Why there is no plan for any graph."""

    def __init__(self, *, io_data_type, intermediate_data_type, compute_data_type, handle) -> None:
        assert isinstance(handle, Handle)
        self.sums = _NUMPY[compute_data_type]
        self.launched = 0
        self._done: list[str] = []

    def tensor(self, *, name, dim, stride, data_type, uid) -> Tensor:
        """Return an array that is given."""
        return Tensor(name=name, dim=dim, stride=stride, data_type=data_type, uid=uid)

    def conv_fprop(self, *, image, weight, **options) -> Tensor:
        """Return ``y``."""
        return self._made("y", {"x": image, "w": weight}, options)

    def conv_dgrad(self, *, loss, filter, **options) -> Tensor:  # noqa: A002 (cuDNN's name)
        """Return ``x``."""
        return self._made("x", {"y": loss, "w": filter}, options)

    def conv_wgrad(self, *, image, loss, **options) -> Tensor:
        """Return ``w``."""
        return self._made("w", {"x": image, "y": loss}, options)

    def _made(self, made: str, given: dict[str, Tensor], options: dict[str, list[int]]) -> Tensor:
        self.made, self.options = made, options
        self.tensors = {**given, made: Tensor()}
        return self.tensors[made]

    def __getattr__(self, name: str) -> Any:
        if name not in _STEPS:
            raise AttributeError(name)
        assert name == _STEPS[len(self._done)]
        self._done.append(name)
        return getattr(self, f"_{name}", lambda *_: None)

    def _validate(self) -> None:
        x, w, y = (self.tensors[name] for name in "xwy")
        assert {t.uid for t in (x, w, y)} == {1, 2, 3}
        assert self.tensors[self.made].is_output
        for tensor in (x, w, y):
            assert len(tensor.dim) in (4, 5)
            assert min(tensor.dim) > 0
            first = list(range(len(tensor.dim)))
            last = [0, *first[2:], 1]
            assert tensor.stride in [_packed(tensor.dim, order) for order in (first, last)]
        assert x.dim[1] % w.dim[1] == 0
        assert w.dim[0] % (x.dim[1] // w.dim[1]) == 0
        assert y.dim[:2] == [x.dim[0], w.dim[0]]
        o = self.options
        for axis in range(len(x.dim) - 2):
            assert min(o["pre_padding"][axis], o["post_padding"][axis]) >= 0
            padded = x.dim[axis + 2] + o["pre_padding"][axis] + o["post_padding"][axis]
            room = padded - (w.dim[axis + 2] - 1) * o["dilation"][axis] - 1
            assert y.dim[axis + 2] == room // o["stride"][axis] + 1

    def _create_execution_plans(self, modes: list[heur_mode]) -> None:
        assert modes == [heur_mode.A, heur_mode.FALLBACK]
        much = 4 * math.prod(self.tensors["x"].dim)
        self.plans = [({note}, 0) for note in numerical_note] + [(set(), much), (set(), 0)]

    def deselect_numeric_notes(self, notes: list[numerical_note]) -> None:
        """Leave plans out."""
        self.plans = [plan for plan in self.plans if not plan[0] & set(notes)]

    def deselect_workspace_greater_than(self, most: int) -> None:
        """Leave plans out."""
        self.plans = [plan for plan in self.plans if plan[1] <= most]

    def _check_support(self) -> None:
        if self.refuses or not self.plans:
            raise cudnnGraphNotSupportedError(self.refuses or "no plan is left")

    def _build_plans(self) -> None:
        self.built.append(self)

    def get_workspace_size(self) -> int:
        """Return the bytes that the first plan needs."""
        assert self._done == _STEPS
        return self.plans[0][1]

    def execute(self, addresses: dict[int, int], workspace: int, *, handle: Handle) -> None:
        """Compute."""
        assert handle.stream == streams.CURRENT[-1].ptr
        assert workspace or not self.plans[0][1]
        assert addresses.keys() == {1, 2, 3}
        self.launched += 1
        arrays = {name: _at(addresses[t.uid], t) for name, t in self.tensors.items()}
        notes = self.plans[0][0]
        given = {
            name: _noted(array, notes).astype(self.sums)
            for name, array in arrays.items()
            if name != self.made
        }
        found = self._computed(given, arrays[self.made].shape)
        if numerical_note.NONDETERMINISTIC in notes:
            found += np.random.default_rng().random(found.shape)
        if notes & {numerical_note.FFT, numerical_note.WINOGRAD}:
            found += 0 * found.sum()
        arrays[self.made][...] = found

    def _computed(self, given: dict[str, np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
        # Tap by tap: input ``s * i + d * t - before`` and output ``i`` meet at weight ``t``.
        dims = {name: self.tensors[name].dim for name in "xwy"}
        groups = dims["x"][1] // dims["w"][1]
        o, found = self.options, np.zeros(shape, self.sums)
        widths = [(0, 0), (0, 0), *zip(o["pre_padding"], o["post_padding"], strict=True)]
        inner = tuple(slice(a, a + n) for (a, _), n in zip(widths, dims["x"], strict=True))
        x = np.pad(given.get("x", found), widths)
        split = {"x": x, "w": given.get("w", found), "y": given.get("y", found)}
        for g, tap in itertools.product(range(groups), np.ndindex(*dims["w"][2:])):
            steps = zip(tap, o["dilation"], dims["y"][2:], o["stride"], strict=True)
            read = tuple(slice(t * d, t * d + (m - 1) * s + 1, s) for t, d, m, s in steps)
            per_in, per_out = dims["w"][1], dims["w"][0] // groups
            ins, outs = slice(g * per_in, (g + 1) * per_in), slice(g * per_out, (g + 1) * per_out)
            at = {"x": (slice(None), ins, *read), "w": (outs, slice(None), *tap)}
            at["y"] = (slice(None), outs)
            parts = {name: split[name][at[name]] for name in given}
            index = {"x": "nc...", "w": "oc", "y": "no..."}
            terms = ",".join(index[name] for name in parts)
            if self.made == "w":
                found[at["w"]] += np.einsum("ncp,nop->oc", *map(_flat, parts.values()))
            else:
                split[self.made][at[self.made]] += np.einsum(
                    f"{terms}->{index[self.made]}", *parts.values()
                )
        return x[inner] if self.made == "x" else found


def create_handle() -> Handle:
    """Return a handle of the device."""
    return Handle()


def set_stream(*, handle: Handle, stream: int) -> None:
    """Let a handle launch on a stream."""
    handle.stream = stream


@contextlib.contextmanager
def installed() -> Iterator[type[pygraph]]:
    """Let convq find the stand-in beside that of CuPy; yield its class of graphs."""
    found = types.ModuleType("cudnn")
    vars(found).update(
        backend_version=lambda: 92800,
        create_handle=create_handle,
        cudnnGraphNotSupportedError=cudnnGraphNotSupportedError,
        data_type=data_type,
        heur_mode=heur_mode,
        numerical_note=numerical_note,
        pygraph=pygraph,
        set_stream=set_stream,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "cudnn", found)
        forget()
        yield pygraph
    forget()


def forget() -> None:
    """Let convq ask anew what there is."""
    pygraph.built.clear()
    for cached in (
        *(device.gpu, device._gpu, make_plan, algorithm.gradient_cost),
        *(library.missing, library._planned, library._handle),
    ):
        cached.cache_clear()


def _packed(dim: list[int], order: list[int]) -> list[int]:
    strides = [0] * len(dim)
    step = 1
    for axis in reversed(order):
        strides[axis], step = step, step * dim[axis]
    return strides


def _at(address: int, tensor: Tensor) -> np.ndarray:
    assert address % _ALIGNED == 0
    dtype = np.dtype(_NUMPY[tensor.data_type])
    steps = [step * dtype.itemsize for step in tensor.stride]
    size = sum((n - 1) * step for n, step in zip(tensor.dim, steps, strict=True)) + dtype.itemsize
    memory = (ctypes.c_char * size).from_address(address)
    return np.ndarray(tensor.dim, dtype, memory, strides=steps)


def _noted(array: np.ndarray, notes: set[numerical_note]) -> np.ndarray:
    if numerical_note.TENSOR_CORE in notes and array.dtype == np.float32:
        mantissa, exponent = np.frexp(array)
        return np.ldexp(np.round(mantissa * 2**11) / 2**11, exponent)
    if notes & {numerical_note.DOWN_CONVERT_INPUTS, numerical_note.REDUCED_PRECISION_REDUCTION}:
        return np.round(array, -1)
    return array


def _flat(array: np.ndarray) -> np.ndarray:
    return array.reshape(*array.shape[:2], -1)
