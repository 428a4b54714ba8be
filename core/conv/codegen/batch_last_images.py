"""Kernels for whole images in batch-last arrays: to bring them there, to normalise, to average.

Lanes are images, of which there are whole vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np
from llvmlite import ir

from core.conv.codegen.channels_transpose import transposed
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
    >>> x, y = np.arange(32.0).reshape(16, 2), np.empty((2, 16))
    >>> kernel("enter", "float64")(x.ctypes.data, y.ctypes.data, 2, 16)
    >>> np.array_equal(x.T, y)
    True
    """
    return load(partial(source, name, dtype, host()), name, PROGRAMS[name][1])


def source(name: str, dtype: str, target: Target) -> str:
    """Return the IR of a kernel; for its arguments see `PROGRAMS`.

    Examples
    --------
    >>> "fsub" in source("whiten", "float32", host())
    True
    """
    write, parameters = PROGRAMS[name]
    code = Emitter(target, name, parameters)
    write(code, dtype, target.lanes(np.dtype(dtype).itemsize))
    return code.finish()


def _enter(code: Emitter, dtype: str, lanes: int) -> None:
    x, y, count, images = code.arguments
    itemsize = np.dtype(dtype).itemsize
    whole = code.builder.mul(code.builder.sdiv(count, code.integer(lanes)), code.integer(lanes))
    with code.loop(0, images, lanes) as image:
        first = code.at(x, dtype, code.builder.mul(image, count))
        target = code.at(y, dtype, image)
        with code.loop(0, whole, lanes) as i:
            rows = [code.load(first, dtype, lanes, code.index(i, (count, k))) for k in range(lanes)]
            for k, vector in enumerate(transposed(code, rows, itemsize)):
                code.store(vector, target, code.index((code.index(i, k), images)))
        with code.loop(whole, count) as i, code.loop(0, lanes) as k:
            number = code.load(first, dtype, 1, code.index((count, k), i))
            code.store(number, target, code.index((i, images), k))


def _standardize(code: Emitter, dtype: str, lanes: int) -> None:
    x, y, means, deviations, channels, count = code.arguments
    with code.loop(0, channels) as channel:
        mean, deviation = (code.broadcast(a, dtype, lanes, channel) for a in (means, deviations))
        first = code.builder.mul(channel, count)
        with code.loop(0, count, lanes) as i:
            at = code.index(first, i)
            centred = code.sub(code.load(x, dtype, lanes, at), mean)
            code.store(code.builder.fdiv(centred, deviation), y, at)


def _whiten(code: Emitter, dtype: str, lanes: int) -> None:
    x, y, numbers, count, images = code.arguments
    # How many numbers an image has, and epsilon.
    size, epsilon = (code.broadcast(numbers, dtype, lanes, i) for i in range(2))
    root = _root(code, dtype, lanes)
    with code.loop(0, images, lanes) as image:
        source, target = (code.at(a, dtype, image) for a in (x, y))

        def number(i: Value, source: Value = source) -> Value:
            return code.load(source, dtype, lanes, code.index((i, images)))

        mean = code.builder.fdiv(_sum(code, dtype, lanes, count, number), size)

        def square(i: Value, find: Callable[[Value], Value] = number, mean: Value = mean) -> Value:
            centred = code.sub(find(i), mean)
            return code.mul(centred, centred)

        variance = code.builder.fdiv(_sum(code, dtype, lanes, count, square), size)
        deviation = code.builder.call(root, [code.add(variance, epsilon)])
        scale = code.builder.fdiv(code.constant(1, dtype, lanes), deviation)
        with code.loop(0, count) as i:
            found = code.mul(code.sub(number(i), mean), scale)
            code.store(found, target, code.index((i, images)))


def _average(code: Emitter, dtype: str, lanes: int) -> None:
    x, y, numbers, channels, count, images = code.arguments
    size = code.broadcast(numbers, dtype, lanes)
    with code.loop(0, channels) as channel, code.loop(0, images, lanes) as image:
        place = code.index((code.index((channel, count)), images), image)
        source = code.at(x, dtype, place)

        def number(i: Value, source: Value = source) -> Value:
            return code.load(source, dtype, lanes, code.index((i, images)))

        mean = code.builder.fdiv(_sum(code, dtype, lanes, count, number), size)
        code.store(mean, y, code.index((channel, images), image))


def _spread(code: Emitter, dtype: str, lanes: int) -> None:
    dy, dx, numbers, channels, count, images = code.arguments
    size = code.broadcast(numbers, dtype, lanes)
    with code.loop(0, channels) as channel, code.loop(0, images, lanes) as image:
        own = code.load(dy, dtype, lanes, code.index((channel, images), image))
        share = code.builder.fdiv(own, size)
        place = code.index((code.index((channel, count)), images), image)
        target = code.at(dx, dtype, place)
        with code.loop(0, count) as i:
            code.store(share, target, code.index((i, images)))


def _sum(
    code: Emitter, dtype: str, lanes: int, count: Value, term: Callable[[Value], Value]
) -> Value:
    whole = code.builder.mul(code.builder.sdiv(count, code.integer(_SUMS)), code.integer(_SUMS))
    totals = [code.constant(0, dtype, lanes)] * _SUMS
    with code.loop(0, whole, _SUMS, carried=totals) as i:
        for v in range(_SUMS):
            totals[v] = code.add(totals[v], term(code.index(i, v)))
    with code.loop(whole, count, carried=totals) as i:
        totals[0] = code.add(totals[0], term(i))
    first, second, third, fourth = totals
    return code.add(code.add(first, second), code.add(third, fourth))


def _root(code: Emitter, dtype: str, lanes: int) -> Value:
    kind = code.constant(0, dtype, lanes).type
    name = f"llvm.sqrt.v{lanes}f{np.dtype(dtype).itemsize * 8}"
    return ir.Function(code.builder.module, ir.FunctionType(kind, [kind]), name)


def _arrays(pointers: int, integers: int) -> tuple[Kind, ...]:
    pointer: tuple[Kind, ...] = ("pointer",)
    integer: tuple[Kind, ...] = ("integer",)
    return pointer * pointers + integer * integers


PROGRAMS: dict[str, tuple[Callable[[Emitter, str, int], None], tuple[Kind, ...]]] = {
    "enter": (_enter, _arrays(2, 2)),
    "standardize": (_standardize, _arrays(4, 2)),
    "whiten": (_whiten, _arrays(3, 2)),
    "average": (_average, _arrays(3, 3)),
    "spread": (_spread, _arrays(3, 3)),
}
"""What writes each kernel, and what it takes.

- ``enter(x, y, count, images)``: ``y (count, images)`` is ``x (images, count)`` transposed.
- ``standardize(x, y, means, deviations, channels, count)``: ``(x - mean) / deviation`` of each
  channel's ``count`` numbers.
- ``whiten(x, y, numbers, count, images)``: every image less its mean, divided by its deviation;
  ``numbers`` are ``count`` and what is added to the variance.
- ``average(x, y, numbers, channels, count, images)``: ``y (channels, images)`` is the mean over the
  pixels of ``x (channels, count, images)``; ``numbers`` has ``count``.
- ``spread(dy, dx, numbers, channels, count, images)``: the gradient of ``average``.
"""
