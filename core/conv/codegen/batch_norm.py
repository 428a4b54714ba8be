"""Batch norm and its gradient, channel by channel: few passes, all but the first in the cache.

A batch is in pieces, arrays of ``(channels, numbers)``, as groups of images leave the layer before.
A kernel finds them by a table of addresses, and goes through all of them for one channel after the
other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache, partial
from typing import Any

import numpy as np
from llvmlite import ir

from core.arrays import Array
from core.conv.codegen.emit import Emitter, Integer, Kind, Value
from core.conv.codegen.library import load
from core.conv.codegen.target import Target, host

# Sums that do not wait for each other.
_SUMS = 4

# Table of pieces, how many; constants, weight, bias, mean, variance; first and last channel.
_NORMALIZE: tuple[Kind, ...] = ("pointer", "integer", *("pointer",) * 5, "integer", "integer")
# Table, how many; constants, mean, scale, weight, along, total; channels; whether dx is written.
_DIFFERENTIATE: tuple[Kind, ...] = ("pointer", "integer", *("pointer",) * 6, *("integer",) * 3)


def fits(pieces: Sequence[Array]) -> bool:
    """Return whether there are kernels for such numbers.

    Examples
    --------
    >>> fits([np.zeros(3, "float32")]), fits([np.zeros(3, "float16")])
    (True, False)
    """
    return all(x.dtype.name in ("float32", "float64") and x.dtype.isnative for x in pieces)


def normalizing(
    xs: Sequence[Array],
    ys: Sequence[Array],
    weight: Array,
    bias: Array,
    epsilon: float,
    mean: Array,
    variance: Array,
) -> Callable[[slice], None]:
    """Return what writes ``ys``, mean and variance for a range of channels.

    ``y = weight * (x - mean) / sqrt(variance + epsilon) + bias``. The variance is the biased one,
    and rounding errors of the mean do not enter it (T. F. Chan et al., "Algorithms for computing
    the sample variance", 1983).

    Parameters
    ----------
    xs, ys : sequence of ndarray of shape ``(channels, numbers)``
        Contiguous, in pairs of the same shape.
    weight, bias, mean, variance : ndarray of shape ``(channels,)``
        Contiguous, all of the same dtype.
    epsilon : float

    Examples
    --------
    >>> x, one, zero = np.array([[1.0, 3.0]]), np.ones(1), np.zeros(1)
    >>> mean, variance, y = np.empty(1), np.empty(1), np.empty((1, 2))
    >>> normalizing([x], [y], one, zero, 0.0, mean, variance)(slice(0, 1))
    >>> mean, variance, y
    (array([2.]), array([1.]), array([[-1.,  1.]]))
    """
    constants = np.array([1 / _count(xs), epsilon], weight.dtype)
    return _over_channels("normalize", [xs, ys], [constants, weight, bias, mean, variance], ())


def differentiating(
    xs: Sequence[Array],
    dys: Sequence[Array],
    dxs: Sequence[Array] | None,
    mean: Array,
    scale: Array,
    weight: Array,
    along: Array,
    total: Array,
) -> Callable[[slice], None]:
    """Return what writes the gradients of weight, bias and ``xs`` for a range of channels.

    Parameters
    ----------
    xs, dys, dxs : sequence of ndarray of shape ``(channels, numbers)``
        Contiguous, in triples of the same shape; ``dxs`` is written to, unless it is None.
    mean, scale, weight : ndarray of shape ``(channels,)``
        ``scale`` is ``1 / sqrt(variance + epsilon)``.
    along, total : ndarray of shape ``(channels,)``
        Where the sums of ``dy * (x - mean) * scale`` and of ``dy`` go.

    Examples
    --------
    >>> x, dy, one = np.array([[-1.0, 1.0]]), np.array([[2.0, 4.0]]), np.ones(1)
    >>> along, total, dx = np.empty(1), np.empty(1), np.empty((1, 2))
    >>> differentiating([x], [dy], [dx], np.zeros(1), one, one, along, total)(slice(0, 1))
    >>> along, total, dx
    (array([2.]), array([6.]), array([[0., 0.]]))
    """
    constants = np.array([1 / _count(xs)], weight.dtype)
    arrays = [constants, mean, scale, weight, along, total]
    pieces = [xs, dys, xs if dxs is None else dxs]
    return _over_channels("differentiate", pieces, arrays, (0 if dxs is None else 1,))


def _count(pieces: Sequence[Array]) -> int:
    return sum(piece.shape[1] for piece in pieces)


def _over_channels(
    name: str, pieces: Sequence[Sequence[Array]], arrays: Sequence[Array], flags: tuple[int, ...]
) -> Callable[[slice], None]:
    """Return a call of the kernel for a range of channels; it keeps all arrays alive."""
    # A row for each piece: its length, and where it lies in x and what goes with it.
    rows = zip(*pieces, strict=True)
    table = np.array([[row[0].shape[1], *(a.ctypes.data for a in row)] for row in rows], np.int64)
    kernel = _kernel(name, arrays[0].dtype.name)
    given = (table.ctypes.data, len(table), *(array.ctypes.data for array in arrays))
    kept = (table, pieces, arrays)

    def call(channels: slice, kept: Any = kept) -> None:
        kernel(*given, channels.start, channels.stop, *flags)

    return call


@cache
def _kernel(name: str, dtype: str) -> Callable[..., None]:
    write, parameters = _PROGRAMS[name]
    return load(partial(write, dtype, host()), name, parameters)


def normalize_source(dtype: str, target: Target) -> str:
    """Return the IR of the kernel behind `normalizing`."""
    code = Emitter(target, "normalize", _NORMALIZE)
    table, pieces, constants, weight, bias, means, variances, first, last = code.arguments
    part, epsilon = (code.load(constants, dtype, 1, i) for i in range(2))
    with code.loop(first, last) as channel:
        lines = partial(_lines, code, dtype, table, pieces, 2, channel)
        (total,) = _sums(code, dtype, lines, 1, lambda at, n, i: [code.load(at[0], dtype, n, i)])
        mean = code.mul(total, part)

        def moments(at: list[Value], lanes: int, i: Value, mean: Value = mean) -> list[Value]:
            centred = code.sub(code.load(at[0], dtype, lanes, i), _wide(code, mean, lanes))
            return [centred, code.mul(centred, centred)]

        rest, squares = (code.mul(s, part) for s in _sums(code, dtype, lines, 2, moments))
        variance = code.sub(squares, code.mul(rest, rest))
        mean = code.add(mean, rest)
        code.store(mean, means, channel)
        code.store(variance, variances, channel)
        root = _root(code, code.add(variance, epsilon))
        scale = code.builder.fdiv(code.load(weight, dtype, 1, channel), root)
        shift = code.load(bias, dtype, 1, channel)
        with lines() as (count, (x, y)):
            for start, stop, lanes in _pieces(code, dtype, count, 1):
                wide = [_wide(code, value, lanes) for value in (mean, scale, shift)]
                with code.loop(start, stop, lanes) as i:
                    centred = code.sub(code.load(x, dtype, lanes, i), wide[0])
                    code.store(code.fma(centred, wide[1], wide[2]), y, i)
    return code.finish()


def differentiate_source(dtype: str, target: Target) -> str:
    """Return the IR of the kernel behind `differentiating`."""
    code = Emitter(target, "differentiate", _DIFFERENTIATE)
    table, pieces, constants, means, scales, weights, alongs, totals = code.arguments[:8]
    first, last, wanted = code.arguments[8:]
    part = code.load(constants, dtype, 1)
    with code.loop(first, last) as channel:
        lines = partial(_lines, code, dtype, table, pieces, 3, channel)
        mean, scale, weight = (code.load(a, dtype, 1, channel) for a in (means, scales, weights))

        def products(at: list[Value], lanes: int, i: Value, mean: Value = mean) -> list[Value]:
            slope = code.load(at[1], dtype, lanes, i)
            centred = code.sub(code.load(at[0], dtype, lanes, i), _wide(code, mean, lanes))
            return [code.mul(slope, centred), slope]

        along, total = _sums(code, dtype, lines, 2, products)
        along = code.mul(along, scale)
        code.store(along, alongs, channel)
        code.store(total, totals, channel)
        # dy less its mean, and less the part of it that lies along x; then scaled as x is.
        lean = code.neg(code.mul(code.mul(along, scale), part))
        constant = [mean, lean, code.mul(total, part), code.mul(weight, scale)]
        with code.loop(0, wanted), lines() as (count, (x, dy, dx)):
            for start, stop, lanes in _pieces(code, dtype, count, 1):
                wide = [_wide(code, value, lanes) for value in constant]
                with code.loop(start, stop, lanes) as i:
                    centred = code.sub(code.load(x, dtype, lanes, i), wide[0])
                    rest = code.sub(code.load(dy, dtype, lanes, i), wide[2])
                    slope = code.fma(centred, wide[1], rest)
                    code.store(code.mul(slope, wide[3]), dx, i)
    return code.finish()


_PROGRAMS: dict[str, tuple[Callable[[str, Target], str], tuple[Kind, ...]]] = {
    "normalize": (normalize_source, _NORMALIZE),
    "differentiate": (differentiate_source, _DIFFERENTIATE),
}


@contextmanager
def _lines(
    code: Emitter,
    dtype: str,
    table: Value,
    pieces: Value,
    arrays: int,
    channel: Value,
    carried: list[Value] | None = None,
) -> Iterator[tuple[Value, list[Value]]]:
    """Write a loop over the pieces; yield once, the length of a channel and where it lies."""
    with code.loop(0, pieces, carried=carried) as piece:
        numbers = [
            code.builder.extract_element(
                code.load(table, "int64", 1, code.index((piece, 1 + arrays), column)),
                ir.Constant(ir.IntType(32), 0),
            )
            for column in range(1 + arrays)
        ]
        count = numbers[0]
        starts = [code.builder.inttoptr(number, ir.PointerType()) for number in numbers[1:]]
        yield count, [code.at(start, dtype, code.index((channel, count))) for start in starts]


def _pieces(
    code: Emitter, dtype: str, count: Value, vectors: int
) -> list[tuple[Integer, Integer, int]]:
    """Return from, to, and lanes: what fills so many vectors at a time, the rest one by one."""
    lanes = code.target.lanes(np.dtype(dtype).itemsize)
    step = code.integer(vectors * lanes)
    whole = code.index((code.builder.sdiv(count, step), step))
    return [(0, whole, lanes), (whole, count, 1)]


def _sums(
    code: Emitter,
    dtype: str,
    lines: Callable[..., AbstractContextManager[tuple[Value, list[Value]]]],
    number: int,
    terms: Callable[[list[Value], int, Value], list[Value]],
) -> list[Value]:
    """Return the sums over a channel of each of ``number`` terms, as vectors of one lane.

    ``terms(where the channel lies, lanes, place)`` returns the terms of some places.
    """
    lanes = code.target.lanes(np.dtype(dtype).itemsize)
    vectors = [code.constant(0, dtype, lanes)] * (_SUMS * number)
    sums = vectors + [code.constant(0, dtype, 1)] * number
    with lines(carried=sums) as (count, at):
        for start, stop, width in _pieces(code, dtype, count, _SUMS):
            # Whole vectors go to one sum after the other, what is left over to the last ones.
            places, offset = (_SUMS, 0) if width > 1 else (1, _SUMS * number)
            with code.loop(start, stop, places * width, carried=sums) as i:
                for v in range(places):
                    found = terms(at, width, code.index(i, v * width))
                    for t, term in enumerate(found, offset + v * number):
                        sums[t] = code.add(sums[t], term)
    single = sums[_SUMS * number :]
    return [
        code.add(_across(code, sums[t : _SUMS * number : number]), single[t]) for t in range(number)
    ]


def _across(code: Emitter, vectors: list[Value]) -> Value:
    while len(vectors) > 1:
        vectors = [code.add(a, b) for a, b in zip(vectors[::2], vectors[1::2], strict=True)]
    (total,) = vectors
    while (lanes := total.type.count) > 1:
        low = code.shuffle(total, total, range(lanes // 2))
        high = code.shuffle(total, total, range(lanes // 2, lanes))
        total = code.add(low, high)
    return total


def _wide(code: Emitter, value: Value, lanes: int) -> Value:
    """Return a vector of one lane as one of many."""
    return code.shuffle(value, value, [0] * lanes)


def _root(code: Emitter, value: Value) -> Value:
    scalar = code.builder.extract_element(value, ir.Constant(ir.IntType(32), 0))
    suffix = {"float": "f32", "double": "f64"}[str(scalar.type)]
    kind = ir.FunctionType(scalar.type, [scalar.type])
    root = ir.Function(code.builder.module, kind, f"llvm.sqrt.{suffix}")
    return code.splat(code.builder.call(root, [scalar]), 1)
