"""What happens number by number in batch-last arrays of whole vectors: one pass over memory each.

A channel's numbers lie one after the other, a multiple of the lanes of them. Rectifiers and their
gradients are those of `core.nets.layers.relu`: NaN stays, the slope at 0 is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np

from core.conv.codegen.emit import Emitter, Kind, Value
from core.conv.codegen.library import Kernel, load
from core.conv.codegen.target import Target, host

# Sums that do not wait for each other.
_SUMS = 4


@cache
def kernel(name: str, dtype: str) -> Kernel:
    """Return a compiled kernel for this machine, one of `PROGRAMS`.

    Examples
    --------
    >>> x, y = np.arange(-4.0, 4.0), np.empty(8)
    >>> kernel("rectify", "float64")(x.ctypes.data, y.ctypes.data, 8)
    >>> y
    array([0., 0., 0., 0., 0., 1., 2., 3.])
    """
    return load(partial(source, name, dtype, host()), name, PROGRAMS[name][1])


def source(name: str, dtype: str, target: Target) -> str:
    """Return the IR of a kernel; for its arguments see `PROGRAMS`.

    Examples
    --------
    >>> "fadd" in source("add", "float32", host())
    True
    """
    write, parameters = PROGRAMS[name]
    code = Emitter(target, name, parameters)
    write(code, dtype, target.lanes(np.dtype(dtype).itemsize))
    return code.finish()


def rectified(code: Emitter, vector: Value, dtype: str) -> Value:
    """Write ``max(vector, 0)``; NaN stays."""
    zero = code.constant(0, dtype, vector.type.count)
    return code.builder.select(code.builder.fcmp_unordered(">", vector, zero), vector, zero)


def masked(code: Emitter, gradient: Value, output: Value, dtype: str) -> Value:
    """Write the gradient of `rectified`, by what came out: a factor of 0 or 1, as NumPy has it."""
    zero = code.constant(0, dtype, output.type.count)
    positive = code.builder.fcmp_ordered(">", output, zero)
    kind = f"int{np.dtype(dtype).itemsize * 8}"
    one = code.builder.uitofp(code.constant(1, kind, output.type.count), zero.type)
    return code.mul(gradient, code.builder.select(positive, one, zero))


def _fill(code: Emitter, dtype: str, lanes: int) -> None:
    out, count = code.arguments
    with code.loop(0, count, lanes) as i:
        code.store(code.constant(0, dtype, lanes), out, i)


def _rectify(code: Emitter, dtype: str, lanes: int) -> None:
    x, y, count = code.arguments
    with code.loop(0, count, lanes) as i:
        code.store(rectified(code, code.load(x, dtype, lanes, i), dtype), y, i)


def _mask(code: Emitter, dtype: str, lanes: int) -> None:
    y, dy, dx, count = code.arguments
    with code.loop(0, count, lanes) as i:
        output, gradient = (code.load(a, dtype, lanes, i) for a in (y, dy))
        code.store(masked(code, gradient, output, dtype), dx, i)


def _multiply(code: Emitter, dtype: str, lanes: int) -> None:
    a, b, out, count = code.arguments
    with code.loop(0, count, lanes) as i:
        code.store(code.mul(code.load(a, dtype, lanes, i), code.load(b, dtype, lanes, i)), out, i)


def _shift(code: Emitter, dtype: str, lanes: int, rectify: bool = False) -> None:
    x, shifts, channels, count = code.arguments
    with code.loop(0, channels) as channel:
        shift = code.broadcast(shifts, dtype, lanes, channel)
        first = code.builder.mul(channel, count)
        with code.loop(0, count, lanes) as i:
            at = code.index(first, i)
            found = code.add(code.load(x, dtype, lanes, at), shift)
            code.store(rectified(code, found, dtype) if rectify else found, x, at)


def _add(code: Emitter, dtype: str, lanes: int) -> None:
    a, b, out, count = code.arguments
    with code.loop(0, count, lanes) as i:
        code.store(code.add(code.load(a, dtype, lanes, i), code.load(b, dtype, lanes, i)), out, i)


def _add_rectify(code: Emitter, dtype: str, lanes: int) -> None:
    a, b, out, count = code.arguments
    with code.loop(0, count, lanes) as i:
        total = code.add(code.load(a, dtype, lanes, i), code.load(b, dtype, lanes, i))
        code.store(rectified(code, total, dtype), out, i)


def _sum(code: Emitter, dtype: str, lanes: int) -> None:
    x, sums, channels, count = code.arguments

    def term(at: Value) -> Value:
        return code.load(x, dtype, lanes, at)

    _sums(code, dtype, lanes, sums, channels, count, term)


def _mask_sum(code: Emitter, dtype: str, lanes: int) -> None:
    y, dy, dx, sums, channels, count = code.arguments

    def term(at: Value) -> Value:
        output, gradient = (code.load(a, dtype, lanes, at) for a in (y, dy))
        found = masked(code, gradient, output, dtype)
        code.store(found, dx, at)
        return found

    _sums(code, dtype, lanes, sums, channels, count, term)


def _sums(
    code: Emitter,
    dtype: str,
    lanes: int,
    sums: Value,
    channels: Value,
    count: Value,
    term: Callable[[Value], Value],
) -> None:
    # The sum of the terms of each channel, always in the same order.
    wide = code.integer(_SUMS * lanes)
    whole = code.builder.mul(code.builder.sdiv(count, wide), wide)
    with code.loop(0, channels) as channel:
        first = code.builder.mul(channel, count)
        totals = [code.constant(0, dtype, lanes)] * _SUMS
        with code.loop(0, whole, _SUMS * lanes, carried=totals) as i:
            for v in range(_SUMS):
                totals[v] = code.add(totals[v], term(code.index(code.index(first, i), v * lanes)))
        with code.loop(whole, count, lanes, carried=totals) as i:
            totals[0] = code.add(totals[0], term(code.index(first, i)))
        code.store(across(code, totals), sums, channel)


def across(code: Emitter, vectors: list[Value]) -> Value:
    """Write the sum of all lanes of some vectors, a power of two of them: a vector of one lane."""
    while len(vectors) > 1:
        vectors = [code.add(a, b) for a, b in zip(vectors[::2], vectors[1::2], strict=True)]
    (total,) = vectors
    while (lanes := total.type.count) > 1:
        low = code.shuffle(total, total, range(lanes // 2))
        high = code.shuffle(total, total, range(lanes // 2, lanes))
        total = code.add(low, high)
    return total


def _arrays(pointers: int, integers: int) -> tuple[Kind, ...]:
    pointer: tuple[Kind, ...] = ("pointer",)
    integer: tuple[Kind, ...] = ("integer",)
    return pointer * pointers + integer * integers


PROGRAMS: dict[str, tuple[Callable[[Emitter, str, int], None], tuple[Kind, ...]]] = {
    "fill": (_fill, _arrays(1, 1)),
    "rectify": (_rectify, _arrays(2, 1)),
    "mask": (_mask, _arrays(3, 1)),
    "multiply": (_multiply, _arrays(3, 1)),
    "shift": (_shift, _arrays(2, 2)),
    "shift_rectify": (partial(_shift, rectify=True), _arrays(2, 2)),
    "add": (_add, _arrays(3, 1)),
    "add_rectify": (_add_rectify, _arrays(3, 1)),
    "sum": (_sum, _arrays(2, 2)),
    "mask_sum": (_mask_sum, _arrays(4, 2)),
}
"""What writes each kernel, and what it takes.

- ``fill(out, count)``: zeros.
- ``rectify(x, y, count)``: ``max(x, 0)``.
- ``mask(y, dy, dx, count)``: the gradient of ``rectify``, ``dy`` where ``y > 0``.
- ``multiply(a, b, out, count)``: ``a * b``.
- ``shift(x, shifts, channels, count)``, ``shift_rectify``: ``x + shift`` of each channel's
  ``count`` numbers in place, and ``max(x + shift, 0)``.
- ``add(a, b, out, count)``, ``add_rectify``: ``a + b``, and ``max(a + b, 0)``.
- ``sum(x, sums, channels, count)``: of each channel's ``count`` numbers.
- ``mask_sum(y, dy, dx, sums, channels, count)``: ``mask``, and ``sum`` of what it gives.
"""
