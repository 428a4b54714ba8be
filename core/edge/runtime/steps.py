"""The steps of a plan with NumPy: what machine code is held to, and what runs where it cannot.

With CuPy in NumPy's place the same steps run on a GPU.

Everything that a step needs is prepared once; a step allocates nothing. ``compute[name]`` takes
what a step of the plan says and the room that there is, and returns a function without arguments.
"""

from typing import Any, Callable

import numpy as np

from core.edge.runtime.activations import IN_PLACE
from core.edge.runtime.views import FLOAT, strided, view, windows

# Numbers of a matrix that a convolution gathers its windows in: they should stay in a cache.
SCRATCH = 1 << 18


class Room:
    """Memory that the steps share.

    Parameters
    ----------
    arena : ndarray
        For the tensors.
    scratch : ndarray
        For what one step needs meanwhile.
    weights : list of ndarray
        By number, as in the manifest.
    xp : module
        NumPy, or CuPy where all of these are on a GPU.
    """

    def __init__(
        self,
        arena: "np.ndarray[Any, Any]",
        scratch: "np.ndarray[Any, Any]",
        weights: "list[np.ndarray[Any, Any]]",
        xp: "Any" = np,
    ) -> None:
        self.xp = xp
        self.arena = arena
        self.scratch = scratch
        self.weights = weights


def rows_at_a_time(step: "dict[str, Any]") -> int:
    """Return for how many rows of outputs a convolution gathers its windows at a time."""
    _, rows, columns = step["y"]["shape"]
    return int(max(1, min(rows, SCRATCH // (columns * _for_a_pixel(step)))))


def scratch_of(step: "dict[str, Any]") -> int:
    """Return how many numbers a step needs meanwhile."""
    shape = step["y"]["shape"]
    if step["op"] == "conv":
        return int(rows_at_a_time(step) * shape[2] * _for_a_pixel(step))
    return int(2 * shape[0] * shape[1] * shape[2])


def _for_a_pixel(step: "dict[str, Any]") -> int:
    """Return what a convolution needs for a pixel: its window and a one, its sums twice."""
    window = step["x"]["shape"][0] * step["kernel"][0] * step["kernel"][1]
    return int(window + 1 + 2 * step["y"]["shape"][0])


def _conv(step: "dict[str, Any]", room: Room) -> "Callable[[], None]":
    xp = room.xp
    # The bias is one more input, which is always 1: NumPy would buffer a sum with it.
    weight = xp.vstack([room.weights[step["weight"]], room.weights[step["bias"]]])
    y = view(room.arena, step["y"])
    inputs, outputs = weight.shape
    _, rows, columns = y.shape
    seen = windows(
        room.arena, step["x"], step["kernel"], step["stride"], step["dilation"], (rows, columns)
    )
    most = rows_at_a_time(step)
    parts = []
    for first in range(0, rows, most):
        part = seen[first : first + most]
        count = len(part) * columns
        gathered, sums, spare = _cut(room.scratch, count * inputs, count * outputs, count * outputs)
        matrix = gathered.reshape(count, inputs)
        wide, channels = part.shape[3:]
        strides = (columns * inputs, inputs, wide * channels, channels, 1)
        parts.append(
            (
                strided(gathered, part.shape, tuple(FLOAT * stride for stride in strides)),
                part,
                matrix[:, -1],
                matrix,
                sums.reshape(count, outputs),
                _activated(xp, step["act"], sums, spare),
                xp.moveaxis(y[:, first : first + most], 0, -1),
                sums.reshape(len(part), columns, outputs),
            )
        )

    def run() -> None:
        for into, part, ones, matrix, sums, activate, y, found in parts:
            xp.copyto(into, part)
            ones.fill(1)
            xp.dot(matrix, weight, out=sums)
            activate()
            xp.copyto(y, found)

    return run


def _depthwise(step: "dict[str, Any]", room: Room) -> "Callable[[], None]":
    xp = room.xp
    y = view(room.arena, step["y"])
    seen = windows(
        room.arena,
        step["x"],
        step["kernel"],
        step["stride"],
        step["dilation"],
        (y.shape[1], y.shape[2]),
    )
    rows, columns = step["kernel"]
    places = [(i, j) for i in range(rows) for j in range(columns)]
    taps = [xp.moveaxis(seen[:, :, i, j], -1, 0) for i, j in places]
    weights = room.weights[step["weight"]][:, :, np.newaxis, np.newaxis]
    bias = room.weights[step["bias"]][:, np.newaxis, np.newaxis]
    mine, spare = _cut(room.scratch, y.size, y.size)
    activate = _activated(xp, step["act"], mine, spare)
    sums, products = mine.reshape(y.shape), spare.reshape(y.shape)

    def run() -> None:
        xp.copyto(sums, bias)
        for tap, weight in zip(taps, weights):
            xp.multiply(tap, weight, out=products)
            xp.add(sums, products, out=sums)
        activate()
        xp.copyto(y, sums)

    return run


def _activated(
    xp: "Any", act: "Any", y: "np.ndarray[Any, Any]", spare: "np.ndarray[Any, Any]"
) -> "Callable[[], None]":
    """Return what makes ``y`` the nonlinear function of itself that ``act`` names."""
    if act is None:
        return _nothing
    in_place, value = IN_PLACE[act[0]], np.float32(act[1])
    return lambda: in_place(xp, y, spare, value)


def _activation(step: "dict[str, Any]", room: Room) -> "Callable[[], None]":
    xp = room.xp
    x, y = view(room.arena, step["x"]), view(room.arena, step["y"])
    mine, spare = _cut(room.scratch, y.size, y.size)
    activate, shaped = _activated(xp, step["act"], mine, spare), mine.reshape(y.shape)

    def run() -> None:
        xp.copyto(shaped, x)
        activate()
        xp.copyto(y, shaped)

    return run


def _pool(step: "dict[str, Any]", room: Room) -> "Callable[[], None]":
    xp = room.xp
    y = view(room.arena, step["y"])
    seen = windows(
        room.arena, step["x"], step["kernel"], step["stride"], (1, 1), (y.shape[1], y.shape[2])
    )
    # A whole plane for each place in the window: as many operations as the window has places.
    taps = [
        xp.moveaxis(seen[:, :, i, j], -1, 0)
        for i in range(step["kernel"][0])
        for j in range(step["kernel"][1])
    ]
    combine, share = xp.maximum, None  # type: Any, Any
    if step["op"] == "average_pool":
        combine, share = xp.add, room.weights[step["shares"]].reshape(y.shape[1:])

    def run() -> None:
        xp.copyto(y, taps[0])
        for tap in taps[1:]:
            combine(y, tap, out=y)
        if share is not None:
            xp.multiply(y, share, out=y)

    return run


def _add(step: "dict[str, Any]", room: Room) -> "Callable[[], None]":
    xp = room.xp
    xs, y = [view(room.arena, x) for x in step["xs"]], view(room.arena, step["y"])
    sums, spare = _cut(room.scratch, y.size, y.size)
    activate, shaped = _activated(xp, step["act"], sums, spare), sums.reshape(y.shape)

    def run() -> None:
        xp.add(xs[0], xs[1], out=shaped)
        for x in xs[2:]:
            xp.add(shaped, x, out=shaped)
        activate()
        xp.copyto(y, shaped)

    return run


def _affine(step: "dict[str, Any]", room: Room) -> "Callable[[], None]":
    xp = room.xp
    x, y = view(room.arena, step["x"]), view(room.arena, step["y"])
    scale = room.weights[step["scale"]][:, np.newaxis, np.newaxis]
    shift = room.weights[step["shift"]][:, np.newaxis, np.newaxis]
    mine, spare = _cut(room.scratch, y.size, y.size)
    activate, shaped = _activated(xp, step["act"], mine, spare), mine.reshape(y.shape)

    def run() -> None:
        xp.multiply(x, scale, out=shaped)
        xp.add(shaped, shift, out=shaped)
        activate()
        xp.copyto(y, shaped)

    return run


def _normalize(step: "dict[str, Any]", room: Room) -> "Callable[[], None]":
    xp = room.xp
    x, y = view(room.arena, step["x"]), view(room.arena, step["y"])
    mine, squares = _cut(room.scratch, y.size, y.size)
    shaped, one = mine.reshape(y.shape), xp.zeros(1, np.float32)
    share, epsilon = np.float32(1.0 / y.size), np.float32(step["epsilon"])

    def run() -> None:
        xp.copyto(shaped, x)
        mine.sum(out=one, keepdims=True)
        xp.multiply(one, share, out=one)
        xp.subtract(mine, one, out=mine)
        xp.multiply(mine, mine, out=squares)
        squares.sum(out=one, keepdims=True)
        xp.multiply(one, share, out=one)
        xp.add(one, epsilon, out=one)
        xp.sqrt(one, out=one)
        xp.divide(mine, one, out=mine)
        xp.copyto(y, shaped)

    return run


def _softmax(step: "dict[str, Any]", room: Room) -> "Callable[[], None]":
    xp = room.xp
    x, y = view(room.arena, step["x"]), view(room.arena, step["y"])
    mine, most = _cut(room.scratch, y.size, y[:1].size)
    shaped, one = mine.reshape(y.shape), most.reshape(y[:1].shape)

    def run() -> None:
        x.max(axis=0, out=one, keepdims=True)
        xp.subtract(x, one, out=shaped)
        xp.exp(shaped, out=shaped)
        shaped.sum(axis=0, out=one, keepdims=True)
        xp.divide(shaped, one, out=y)

    return run


def _fill(step: "dict[str, Any]", room: Room) -> "Callable[[], None]":
    y, value = view(room.arena, step["y"]), np.float32(step["value"])
    return lambda: y.fill(value)


def _copy(step: "dict[str, Any]", room: Room) -> "Callable[[], None]":
    xp = room.xp
    x, y = view(room.arena, step["x"]), view(room.arena, step["y"])
    return lambda: xp.copyto(y, x)


def _flatten(step: "dict[str, Any]", room: Room) -> "Callable[[], None]":
    xp = room.xp
    x, at = view(room.arena, step["x"]), step["y"]["at"]
    y = room.arena[at : at + x.size].reshape(x.shape)
    return lambda: xp.copyto(y, x)


compute = {
    "conv": _conv,
    "depthwise": _depthwise,
    "activation": _activation,
    "max_pool": _pool,
    "average_pool": _pool,
    "add": _add,
    "affine": _affine,
    "normalize": _normalize,
    "softmax": _softmax,
    "fill": _fill,
    "copy": _copy,
    "flatten": _flatten,
}
"""By the ``op`` of a step; ``input`` is done where the input comes in."""


def _nothing() -> None:
    pass


def _cut(scratch: "np.ndarray[Any, Any]", *counts: int) -> "list[np.ndarray[Any, Any]]":
    found, at = [], 0
    for count in counts:
        found.append(scratch[at : at + count])
        at += count
    return found
