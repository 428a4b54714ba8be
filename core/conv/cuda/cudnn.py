"""NVIDIA's cuDNN, where it is installed: a convolution or one of its gradients as a graph.

The library is asked by way of `nvidia-cudnn-frontend` (module ``cudnn``), whose graphs say which
arrays there are, how they lie, and which operation makes one of the others. A graph is planned
once for a shape; then it is launched with addresses.
"""

from __future__ import annotations

import importlib
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any, Literal

from core.arrays import Array, array_module, gpu_module
from core.conv.normal import NormalForm, Shape

What = Literal["output", "input gradient", "kernel gradient"]
"""What is made: ``y``, ``x`` or ``w`` of an `Operation`, each of the two others."""

MADE: dict[What, str] = {"output": "y", "input gradient": "x", "kernel gradient": "w"}

_UIDS = {"x": 1, "w": 2, "y": 3}
# Its kernels read as much at once.
_ALIGNED = 16
# The first whose graphs have all that is used here.
_LEAST_VERSION = 90000


@dataclass(frozen=True)
class Operation:
    """What cuDNN is asked for; all of its arrays are packed and have one dtype.

    Parameters
    ----------
    what : {"output", "input gradient", "kernel gradient"}
        Which array is made.
    x, w, y : tuple of int
        Shapes ``(N, C, *S)``, ``(O, C / groups, *K)`` and ``(N, O, *out)`` with two or three
        axes that are convolved.
    before, after, stride, dilation : tuple of int
        Of each axis; the first two count zeros around ``x``.
    number : {"float16", "float32", "float64"}
        The dtype. Sums of float16 are float32.
    rounds : bool
        Whether tensor cores may round float32 numbers before they multiply them.
    channels_last : bool
        Whether channels are side by side in memory, else the last axis is.
    """

    what: What
    x: Shape
    w: Shape
    y: Shape
    before: Shape
    after: Shape
    stride: Shape
    dilation: Shape
    number: str
    rounds: bool = False
    channels_last: bool = False


@dataclass(frozen=True)
class Planned:
    """A graph that can be launched.

    Parameters
    ----------
    graph : object
        The library's.
    workspace : int
        Bytes that it needs beside its arrays.
    """

    graph: Any
    workspace: int


@cache
def missing() -> str | None:
    """Return why cuDNN cannot be asked in this process, or ``None``."""
    try:
        version = importlib.import_module("cudnn").backend_version()
    except (ImportError, OSError, RuntimeError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "cudnn":
            return "nvidia-cudnn-frontend is not installed"
        return f"it cannot be loaded: {error}"
    return None if version >= _LEAST_VERSION else f"its version is {version}, not {_LEAST_VERSION}"


def operation_of(
    form: NormalForm, what: What, number: str, *, rounds: bool = False
) -> tuple[Operation, tuple[slice, ...]] | str:
    """Return what ``form`` is to cuDNN, and the part of ``x`` that it reads; or why it is nothing.

    Parameters
    ----------
    form : NormalForm
        A convolution.
    what : {"output", "input gradient", "kernel gradient"}
        What of it is made.
    number : str
        The dtype of the arrays.
    rounds : bool
        See `Operation`.

    Examples
    --------
    >>> form = NormalForm(1, 2, 2, 1, (9,), (3,), (1,), (9,), (1,), (1,), "float32")
    >>> found, part = operation_of(form, "output", "float32")
    >>> found.x, found.before, found.after, part
    ((1, 2, 1, 9), (0, 1), (0, 1), (slice(0, 9, None),))
    """
    parts, before, after = [], [], []
    axes = zip(
        form.first_input((0,) * form.ndim), form.span, form.spatial, form.stride, strict=True
    )
    for first, length, n, stride in axes:
        start, stop = max(first, 0), min(first + length, n)
        if stop <= start:
            return "no output reads the input"
        # What is less than a step changes nothing and need not be cut off.
        parts.append(slice(start, n if n - stop < stride else stop))
        before.append(max(-first, 0))
        after.append(max(first + length - n, 0))
    # A line is a picture with one row.
    one, none = ((1,), (0,)) if form.ndim == 1 else ((), ())
    spatial = tuple(part.stop - part.start for part in parts)
    found = Operation(
        what,
        x=(form.batch, form.in_channels, *one, *spatial),
        w=(form.out_channels, form.group_channels, *one, *form.kernel),
        y=(form.batch, form.out_channels, *one, *form.out),
        before=(*none, *before),
        after=(*none, *after),
        stride=one + form.stride,
        dilation=one + form.dilation,
        number=number,
        rounds=rounds,
    )
    return found, tuple(parts)


def graph_of(operation: Operation, most_workspace: int | None = None, **where: Any) -> Planned:
    """Return the graph of ``operation``, planned.

    Kernels are left out that round numbers more than the operation allows, that transform (their
    errors are larger, and one NaN reaches many outputs), and whose sums differ from run to run.

    Parameters
    ----------
    operation : Operation
        What it computes.
    most_workspace : int, optional
        Bytes that it may need beside its arrays.
    **where
        ``handle`` of the device, or ``device_property`` of another one.

    Raises
    ------
    RuntimeError
        The library has no kernel for it.
    """
    cudnn = importlib.import_module("cudnn")
    types, note = cudnn.data_type, cudnn.numerical_note
    stored = {"float16": types.HALF, "float32": types.FLOAT, "float64": types.DOUBLE}
    dtype = stored[operation.number]
    summed = types.DOUBLE if operation.number == "float64" else types.FLOAT
    graph = cudnn.pygraph(
        io_data_type=dtype, intermediate_data_type=summed, compute_data_type=summed, **where
    )
    shapes = {"x": operation.x, "w": operation.w, "y": operation.y}
    strides = {name: list(_strides(each, operation)) for name, each in shapes.items()}

    def given(name: str) -> Any:
        return graph.tensor(
            name=name,
            dim=list(shapes[name]),
            stride=strides[name],
            data_type=dtype,
            uid=_UIDS[name],
        )

    options = {
        "pre_padding": list(operation.before),
        "post_padding": list(operation.after),
        "stride": list(operation.stride),
        "dilation": list(operation.dilation),
    }
    if operation.what == "output":
        made = graph.conv_fprop(image=given("x"), weight=given("w"), **options)
    elif operation.what == "input gradient":
        made = graph.conv_dgrad(loss=given("y"), filter=given("w"), **options)
    else:
        made = graph.conv_wgrad(image=given("x"), loss=given("y"), **options)
    name = MADE[operation.what]
    made.set_uid(_UIDS[name])
    made.set_dim(list(shapes[name])).set_stride(strides[name])
    made.set_output(True).set_data_type(dtype)
    graph.validate()
    graph.build_operation_graph()
    graph.create_execution_plans([cudnn.heur_mode.A, cudnn.heur_mode.FALLBACK])
    unwanted = [
        note.DOWN_CONVERT_INPUTS,
        note.REDUCED_PRECISION_REDUCTION,
        note.FFT,
        note.WINOGRAD,
        note.NONDETERMINISTIC,
    ]
    if operation.number == "float32" and not operation.rounds:
        unwanted.append(note.TENSOR_CORE)
    graph.deselect_numeric_notes(unwanted)
    if most_workspace is not None:
        graph.deselect_workspace_greater_than(most_workspace)
    graph.check_support()
    graph.build_plans()
    return Planned(graph, graph.get_workspace_size())


def planned(operation: Operation, most_workspace: int | None = None) -> Planned | str:
    """Return the graph of ``operation`` for the current device, or why there is none."""
    return _planned(operation, most_workspace, gpu_module().cuda.Device().id)


def call(operation: Operation, arrays: Mapping[str, Array], most_workspace: int | None) -> None:
    """Launch ``operation`` on the current stream.

    Parameters
    ----------
    operation : Operation
        For which `planned` finds a graph.
    arrays : mapping
        ``x``, ``w`` and ``y``, as `packed` and `empty` make them.
    most_workspace : int or None
        See `graph_of`.
    """
    found = planned(operation, most_workspace)
    assert isinstance(found, Planned), found
    cupy, cudnn = array_module(arrays["x"]), importlib.import_module("cudnn")
    handle = _handle(cupy.cuda.Device().id, threading.get_ident())
    cudnn.set_stream(handle=handle, stream=cupy.cuda.get_current_stream().ptr)
    # Given back to CuPy's pool at once: what takes it next on this stream comes after.
    workspace = cupy.empty(found.workspace, "uint8")
    addresses = {_UIDS[name]: array.data.ptr for name, array in arrays.items()}
    found.graph.execute(addresses, workspace.data.ptr, handle=handle)


def packed(array: Array, operation: Operation) -> Array:
    """Return ``array`` as ``operation`` reads it: itself, if it lies like that, else a copy."""
    xp = array_module(array)
    array = array.astype(operation.number, copy=False)
    if operation.channels_last:
        array = xp.moveaxis(xp.ascontiguousarray(xp.moveaxis(array, 1, -1)), -1, 1)
    else:
        array = xp.ascontiguousarray(array)
    return array if array.data.ptr % _ALIGNED == 0 else array.copy(order="K")


def empty(shape: Shape, operation: Operation, like: Array) -> Array:
    """Return an array on the device of ``like`` for what ``operation`` makes."""
    xp = array_module(like)
    if not operation.channels_last:
        return xp.empty(shape, operation.number)
    return xp.moveaxis(xp.empty((shape[0], *shape[2:], shape[1]), operation.number), -1, 1)


def is_packed(array: Array, operation: Operation) -> bool:
    """Return whether ``array`` is as `empty` makes it, so that results can be written to it."""
    lying = array_module(array).moveaxis(array, 1, -1) if operation.channels_last else array
    return bool(
        array.dtype.name == operation.number
        and lying.flags.c_contiguous
        and array.data.ptr % _ALIGNED == 0
    )


def in_layout_of(x: Array, operation: Operation) -> Operation:
    """Return ``operation`` with channels last where ``x`` has them there and cuDNN can, too."""
    xp = array_module(x)
    last = replace(operation, channels_last=True)
    is_last = not x.flags.c_contiguous and xp.moveaxis(x, 1, -1).flags.c_contiguous
    return last if is_last and isinstance(planned(last), Planned) else operation


@lru_cache(maxsize=1024)
def _planned(operation: Operation, most_workspace: int | None, device: int) -> Planned | str:
    cudnn = importlib.import_module("cudnn")
    try:
        handle = _handle(device, threading.get_ident())
        return graph_of(operation, most_workspace, handle=handle)
    except (RuntimeError, ValueError, cudnn.cudnnGraphNotSupportedError) as error:
        return f"cuDNN has no kernel for it: {' '.join(str(error).split())}"


@cache
def _handle(device: int, thread: int) -> Any:
    # No two threads may use one at a time. It belongs to the device that is current.
    return importlib.import_module("cudnn").create_handle()


def _strides(shape: Shape, operation: Operation) -> Shape:
    # In elements.
    n = len(shape)
    order = (0, *range(2, n), 1) if operation.channels_last else tuple(range(n))
    found = [0] * n
    for place, axis in enumerate(order):
        found[axis] = math.prod(shape[later] for later in order[place + 1 :])
    return tuple(found)
