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
from core.conv.codegen.batch_last_pointwise import across, masked, rectified
from core.conv.codegen.emit import Emitter, Integer, Kind, Value
from core.conv.codegen.library import Kernel, load
from core.conv.codegen.target import Target, host

# Sums that do not wait for each other.
_SUMS = 4

# Table of pieces, how many; constants, weight, bias, mean, variance; first and last channel.
_NORMALIZE: tuple[Kind, ...] = ("pointer", "integer", *("pointer",) * 5, "integer", "integer")
# Table, how many; constants, mean, variance, weight, bias, along, total; channels; whether dx is
# written.
_DIFFERENTIATE: tuple[Kind, ...] = ("pointer", "integer", *("pointer",) * 7, *("integer",) * 3)


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
    constants = constants_of(_count(xs), epsilon, weight.dtype.name)
    return _over_channels("normalize", [xs, ys], [constants, weight, bias, mean, variance], ())


def differentiating(
    xs: Sequence[Array],
    dys: Sequence[Array],
    dxs: Sequence[Array] | None,
    epsilon: float,
    mean: Array,
    variance: Array,
    weight: Array,
    bias: Array,
    along: Array,
    total: Array,
) -> Callable[[slice], None]:
    """Return what writes the gradients of weight, bias and ``xs`` for a range of channels.

    Parameters
    ----------
    xs, dys, dxs : sequence of ndarray of shape ``(channels, numbers)``
        Contiguous, in triples of the same shape; ``dxs`` is written to, unless it is None.
    epsilon : float
    mean, variance, weight, bias : ndarray of shape ``(channels,)``
        As `normalizing` had and found them.
    along, total : ndarray of shape ``(channels,)``
        Where the sums of ``dy * (x - mean) * scale`` and of ``dy`` go; ``scale`` is
        ``1 / sqrt(variance + epsilon)``.

    Examples
    --------
    >>> x, dy, one, zero = np.array([[-1.0, 1.0]]), np.array([[2.0, 4.0]]), np.ones(1), np.zeros(1)
    >>> along, total, dx = np.empty(1), np.empty(1), np.empty((1, 2))
    >>> known = 0.0, zero, one, one, zero
    >>> differentiating([x], [dy], [dx], *known, along, total)(slice(0, 1))
    >>> along, total, dx
    (array([2.]), array([6.]), array([[0., 0.]]))
    """
    constants = constants_of(_count(xs), epsilon, weight.dtype.name)
    arrays = [constants, mean, variance, weight, bias, along, total]
    pieces = [xs, dys, xs if dxs is None else dxs]
    return _over_channels("differentiate", pieces, arrays, (0 if dxs is None else 1,))


def constants_of(count: int, epsilon: float, dtype: str) -> Array:
    """Return what both kernels take by pointer: one part of ``count``, and epsilon."""
    return np.array([1 / count, epsilon], dtype)


def _count(pieces: Sequence[Array]) -> int:
    return sum(piece.shape[1] for piece in pieces)


def _over_channels(
    name: str, pieces: Sequence[Sequence[Array]], arrays: Sequence[Array], flags: tuple[int, ...]
) -> Callable[[slice], None]:
    """Return a call of the kernel for a range of channels; it keeps all arrays alive."""
    # A row for each piece: its length, and where it lies in x and what goes with it.
    rows = zip(*pieces, strict=True)
    table = np.array([[row[0].shape[1], *(a.ctypes.data for a in row)] for row in rows], np.int64)
    function = kernel(name, arrays[0].dtype.name)
    given = (table.ctypes.data, len(table), *(array.ctypes.data for array in arrays))
    kept = (table, pieces, arrays)

    def call(channels: slice, kept: Any = kept) -> None:
        function(*given, channels.start, channels.stop, *flags)

    return call


@cache
def kernel(name: str, dtype: str, *, rectified: bool = False) -> Kernel:
    """Return the compiled kernel ``normalize`` or ``differentiate`` for this machine.

    Their arguments:

    - a table with a row for each piece: its length, and the addresses of ``x``, ``y``, or ``x``,
      ``dy``, ``dx``; and the number of rows;
    - the addresses of `constants_of`, and of weight, bias, mean and variance; or of mean,
      variance, weight, bias, along and total;
    - the first channel and the one after the last; and whether ``dx`` is written.
    """
    write, parameters = _PROGRAMS[name]
    return load(partial(write, dtype, host(), rectified), name, parameters)


def normalize_source(dtype: str, target: Target, rectify: bool = False) -> str:
    """Return the IR of the kernel behind `normalizing`; what is below 0 may become 0."""
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
                    found = code.fma(centred, wide[1], wide[2])
                    code.store(rectified(code, found, dtype) if rectify else found, y, i)
    return code.finish()


def differentiate_source(dtype: str, target: Target, rectify: bool = False) -> str:
    """Return the IR of the kernel behind `differentiating`; where 0 came out there is no slope.

    What came out is computed again, which takes less time than to read it.
    """
    code = Emitter(target, "differentiate", _DIFFERENTIATE)
    table, pieces, constants, means, variances, weights, biases, alongs, totals = code.arguments[:9]
    first, last, wanted = code.arguments[9:]
    part, epsilon = (code.load(constants, dtype, 1, i) for i in range(2))
    one = code.constant(1, dtype, 1)
    with code.loop(first, last) as channel:
        lines = partial(_lines, code, dtype, table, pieces, 3, channel)
        mean, variance, weight, bias = (
            code.load(a, dtype, 1, channel) for a in (means, variances, weights, biases)
        )
        root = _root(code, code.add(variance, epsilon))
        scale, steep = code.builder.fdiv(one, root), code.builder.fdiv(weight, root)

        def slope_at(
            at: list[Value],
            lanes: int,
            i: Value,
            known: tuple[Value, ...] = (mean, steep, bias),
        ) -> tuple[Value, Value]:
            middle, factor, shift = (_wide(code, value, lanes) for value in known)
            centred = code.sub(code.load(at[0], dtype, lanes, i), middle)
            slope = code.load(at[1], dtype, lanes, i)
            if rectify:
                slope = masked(code, slope, code.fma(centred, factor, shift), dtype)
            return centred, slope

        def products(
            at: list[Value],
            lanes: int,
            i: Value,
            find: Callable[..., tuple[Value, Value]] = slope_at,
        ) -> list[Value]:
            centred, slope = find(at, lanes, i)
            return [code.mul(slope, centred), slope]

        along, total = _sums(code, dtype, lines, 2, products)
        along = code.mul(along, scale)
        code.store(along, alongs, channel)
        code.store(total, totals, channel)
        # dy less its mean, and less the part of it that lies along x; then scaled as x is.
        lean = code.neg(code.mul(code.mul(along, scale), part))
        constant = [lean, code.mul(total, part), code.mul(weight, scale)]
        with code.loop(0, wanted), lines() as (count, at):
            for start, stop, lanes in _pieces(code, dtype, count, 1):
                wide = [_wide(code, value, lanes) for value in constant]
                with code.loop(start, stop, lanes) as i:
                    centred, slope = slope_at(at, lanes, i)
                    slope = code.fma(centred, wide[0], code.sub(slope, wide[1]))
                    code.store(code.mul(slope, wide[2]), at[2], i)
    return code.finish()


_PROGRAMS: dict[str, tuple[Callable[[str, Target, bool], str], tuple[Kind, ...]]] = {
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
        code.add(across(code, sums[t : _SUMS * number : number]), single[t]) for t in range(number)
    ]


def _wide(code: Emitter, value: Value, lanes: int) -> Value:
    """Return a vector of one lane as one of many."""
    return code.shuffle(value, value, [0] * lanes)


def _root(code: Emitter, value: Value) -> Value:
    scalar = code.builder.extract_element(value, ir.Constant(ir.IntType(32), 0))
    suffix = {"float": "f32", "double": "f64"}[str(scalar.type)]
    kind = ir.FunctionType(scalar.type, [scalar.type])
    root = ir.Function(code.builder.module, kind, f"llvm.sqrt.{suffix}")
    return code.splat(code.builder.call(root, [scalar]), 1)
