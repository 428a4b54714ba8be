"""The largest value in each window, and its gradient, for arrays whose last axis is the batch.

The images are the lanes: a window's values are vectors that lie a whole batch apart, so that size
and stride of the window make no difference to how they are read. All of them are in registers at
once, and every array goes through memory once.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import Any, NamedTuple

import numpy as np

from core.arrays import Array
from core.conv.codegen.batch_last_pointwise import masked, rectified
from core.conv.codegen.emit import Emitter, Kind, Value
from core.conv.codegen.library import Kernel, load
from core.conv.codegen.target import Target, host
from core.conv.normal import Shape

# Input, output gradient, output; planes, rows, columns, output rows and columns, images.
PARAMETERS: tuple[Kind, ...] = ("pointer",) * 3 + ("integer",) * 6
# Values of a window that are sure to find registers, on any processor.
MOST_TAPS = 12


@dataclass(frozen=True)
class Spec:
    """What a kernel is specialised for: a window of rows and columns, its steps, and the dtype.

    With ``rectified`` what is below 0 becomes 0, and has no gradient.
    """

    size: Shape
    stride: Shape
    dtype: str
    rectified: bool = False


def fits(x: Array, size: Shape) -> bool:
    """Return whether there are kernels for windows of ``size`` over ``x (C, *S, N)``.

    Examples
    --------
    >>> x = np.zeros((3, 8, 8, 16), "float32")
    >>> fits(x, (2, 2)), fits(x, (5, 5))
    (True, False)
    """
    return (
        len(size) <= 2
        and math.prod(size) <= MOST_TAPS
        and x.dtype.name in ("float32", "float64")
        and bool(x.dtype.isnative)
    )


def largest(x: Array, size: Shape, stride: Shape) -> Array:
    """Return the largest values of windows over ``x (C, *S, N)``; NaN where there is one.

    Examples
    --------
    >>> largest(np.arange(8.0).reshape(1, 2, 4, 1), (2, 2), (2, 2))[0, ..., 0]
    array([[5., 7.]])
    """
    x = np.ascontiguousarray(x)
    run = prepared("largest", x.shape, x.dtype.name, size, stride)
    y = np.empty(run.out_shape, x.dtype)
    run.function(x.ctypes.data, 0, y.ctypes.data, *run.lengths)
    return y


def to_largest(dy: Array, x: Array, size: Shape, stride: Shape) -> Array:
    """Return the gradient of `largest`: each goes to the first NaN, or the first of the largest.

    Examples
    --------
    >>> x = np.array([[[0.0], [5.0], [5.0], [2.0]]])
    >>> to_largest(np.array([[[1.0], [3.0]]]), x, (2,), (2,))[0, :, 0]
    array([0., 1., 3., 0.])
    """
    x, dy = np.ascontiguousarray(x), np.ascontiguousarray(dy)
    run = prepared("to_largest", x.shape, x.dtype.name, size, stride)
    dx = (np.empty if run.once else np.zeros)(x.shape, x.dtype)
    run.function(x.ctypes.data, dy.ctypes.data, dx.ctypes.data, *run.lengths)
    return dx


class Run(NamedTuple):
    """A call of a kernel, but for the arrays.

    Attributes
    ----------
    function : Kernel
        Takes addresses of the input, the output's gradient, and the result; and ``lengths``.
    out_shape : tuple of int
        Of the output.
    lengths : tuple of int
        The other arguments.
    once : bool
        Whether windows neither overlap nor leave anything out, so that every gradient is written
        once; otherwise they are added to zeros.
    """

    function: Kernel
    out_shape: Shape
    lengths: Shape
    once: bool


# To make this out takes as long as a small pool.
@lru_cache(maxsize=1024)
def prepared(
    name: str, x_shape: Shape, dtype: str, size: Shape, stride: Shape, *, rectified: bool = False
) -> Run:
    """Return the call of ``largest`` or ``to_largest`` for inputs of a shape."""
    channels, *spatial, images = x_shape
    positions = tuple((n - k) // s + 1 for n, k, s in zip(spatial, size, stride, strict=True))
    # An axis that is missing is one row.
    missing = (1,) * (2 - len(size))
    spec = Spec((*missing, *size), (*missing, *stride), dtype, rectified)
    lengths = (channels, *missing, *spatial, *missing, *positions, images)
    covered = [m * s for m, s in zip(positions, stride, strict=True)]
    once = size == stride and covered == spatial
    return Run(kernel(spec, name), (channels, *positions, images), lengths, once)


@cache
def kernel(spec: Spec, name: str) -> Kernel:
    """Return the compiled kernel ``largest`` or ``to_largest`` for this machine."""
    return load(partial(source, spec, name, host()), name, PARAMETERS)


def source(spec: Spec, name: str, target: Target) -> str:
    """Return the IR of a kernel; for its arguments see `PARAMETERS`.

    Examples
    --------
    >>> "fcmp" in source(Spec((2, 2), (2, 2), "float32"), "largest", host())
    True
    """
    code = Emitter(target, name, PARAMETERS)
    lanes = target.lanes(np.dtype(spec.dtype).itemsize)
    images = code.arguments[-1]
    whole = code.index((code.builder.sdiv(images, code.integer(lanes)), lanes))
    body = _BODIES[name]
    planes, rows, columns, out_rows, out_columns = code.arguments[3:-1]
    with (
        code.loop(0, planes) as plane,
        code.loop(0, out_rows) as row,
        code.loop(0, out_columns) as column,
    ):
        out = code.index(
            (code.index((code.index((plane, out_rows), row), out_columns), column), images)
        )
        corner = code.index((plane, rows), (row, spec.stride[0]))
        corner = code.index((corner, columns), (column, spec.stride[1]))
        taps = [
            code.index((code.index(corner, (down, columns), right), images))
            for down, right in itertools.product(*map(range, spec.size))
        ]
        for first, last, step in ((0, whole, lanes), (whole, images, 1)):
            with code.loop(first, last, step) as image:
                places = [code.index(tap, image) for tap in taps]
                body(code, spec, places, code.index(out, image), step)
    return code.finish()


def _largest(code: Emitter, spec: Spec, places: list[Value], out: Value, lanes: int) -> None:
    x, _, y = code.arguments[:3]
    best = code.load(x, spec.dtype, lanes, places[0])
    for place in places[1:]:
        value = code.load(x, spec.dtype, lanes, place)
        best = code.builder.select(_is_better(code, value, best), value, best)
    code.store(rectified(code, best, spec.dtype) if spec.rectified else best, y, out)


def _to_largest(code: Emitter, spec: Spec, places: list[Value], out: Value, lanes: int) -> None:
    x, dy, dx = code.arguments[:3]
    count = f"int{np.dtype(spec.dtype).itemsize * 8}"
    best, chosen = code.load(x, spec.dtype, lanes, places[0]), code.constant(0, count, lanes)
    for tap, place in enumerate(places[1:], 1):
        value = code.load(x, spec.dtype, lanes, place)
        better = _is_better(code, value, best)
        best = code.builder.select(better, value, best)
        chosen = code.builder.select(better, code.constant(tap, count, lanes), chosen)
    gradient, zero = code.load(dy, spec.dtype, lanes, out), code.constant(0, spec.dtype, lanes)
    if spec.rectified:
        gradient = masked(code, gradient, best, spec.dtype)
    overlap = any(step < length for step, length in zip(spec.stride, spec.size, strict=True))
    for tap, place in enumerate(places):
        here = code.builder.icmp_signed("==", chosen, code.constant(tap, count, lanes))
        share = code.builder.select(here, gradient, zero)
        if overlap:
            share = code.add(share, code.load(dx, spec.dtype, lanes, place))
        code.store(share, dx, place)


def _is_better(code: Emitter, value: Value, best: Value) -> Value:
    # Larger, or the first NaN.
    larger = code.builder.fcmp_unordered(">", value, best)
    return code.builder.and_(larger, code.builder.fcmp_ordered("ord", best, best))


_BODIES: dict[str, Callable[..., Any]] = {"largest": _largest, "to_largest": _to_largest}
