"""One image brought to mean 0 and variance 1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial, reduce

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from core.conv.codegen.channels_transpose import integer_at
from core.conv.codegen.emit import Emitter, Kind, Value
from core.conv.codegen.library import Kernel, load
from core.conv.codegen.target import Target, host

PARAMETERS: tuple[Kind, ...] = ("pointer",) * 4 + ("integer",) * 2
# Sums that are added to in turn, so that none waits for its last addition.
_SUMS = 4


@dataclass(frozen=True)
class Whitening:
    """What a kernel is specialised for.

    Attributes
    ----------
    dtype, lanes : str, int
        Of its vectors.
    """

    dtype: str
    lanes: int


def constants(dtype: str, count: int, epsilon: float) -> NDArray[np.floating]:
    """Return the numbers that a kernel takes by pointer, for images of ``count`` numbers.

    Examples
    --------
    >>> constants("float32", 4, 0.5).tolist()
    [0.25, 0.5, 1.0]
    """
    return np.array([1 / count, epsilon, 1.0], dtype)


@lru_cache(maxsize=8)
def kernel(spec: Whitening) -> Kernel:
    """Return the compiled kernel for this machine; for its arguments see `source`."""
    return load(partial(source, spec, host()), "one_whiten", PARAMETERS)


def source(spec: Whitening, target: Target) -> str:
    """Return the IR of a kernel.

    Its arguments:

    - the addresses of the input, of the output and of `constants`;
    - a table of rows: how far each begins in the input, and in the output;
    - the numbers of rows, and of numbers in a row.

    Examples
    --------
    >>> "llvm.sqrt" in source(Whitening("float32", 16), host())
    True
    """
    code = Emitter(target, "one_whiten", PARAMETERS)
    x, y, numbers, rows, count, length = code.arguments
    dtype, lanes = spec.dtype, spec.lanes
    share, epsilon, one = (code.broadcast(numbers, dtype, 1, which) for which in range(3))
    whole, rest = (code.builder.and_(length, code.integer(-n)) for n in (_SUMS * lanes, lanes))

    def start(pointer: Value, row: Value, column: int) -> Value:
        return code.at(pointer, dtype, integer_at(code, rows, code.index((row, 2), column)))

    def mean(of: Callable[[Value], Value]) -> Value:
        sums = [code.constant(0, dtype, lanes)] * _SUMS + [code.constant(0, dtype, 1)]
        with code.loop(0, count, carried=sums) as row:
            begin = start(x, row, 0)
            with code.loop(0, whole, _SUMS * lanes, carried=sums) as at:
                for turn in range(_SUMS):
                    value = code.load(begin, dtype, lanes, code.index(at, turn * lanes))
                    sums[turn] = code.add(sums[turn], of(value))
            with code.loop(whole, length, carried=sums) as at:
                sums[-1] = code.add(sums[-1], of(code.load(begin, dtype, 1, at)))
        vector = reduce(code.add, sums[:-1])
        each = (code.shuffle(vector, vector, [lane]) for lane in range(lanes))
        return code.mul(reduce(code.add, each, sums[-1]), share)

    centre = mean(lambda value: value)

    def centred(value: Value) -> Value:
        return code.sub(value, _spread(code, centre, value))

    def squared(value: Value) -> Value:
        return code.mul(centred(value), centred(value))

    deviation = _square_root(code, dtype, code.add(mean(squared), epsilon))
    scale = code.builder.fdiv(one, deviation)
    with code.loop(0, count) as row:
        begin, out = start(x, row, 0), start(y, row, 1)
        for first, last, width in ((0, rest, lanes), (rest, length, 1)):
            with code.loop(first, last, width) as at:
                value = centred(code.load(begin, dtype, width, at))
                code.store(code.mul(value, _spread(code, scale, value)), out, at)
    return code.finish()


def _spread(code: Emitter, number: Value, like: Value) -> Value:
    """Return a vector of one lane as one of as many as another has."""
    return code.shuffle(number, number, [0] * like.type.count)


def _square_root(code: Emitter, dtype: str, value: Value) -> Value:
    suffix = {"float32": "f32", "float64": "f64"}[dtype]
    kind = ir.FunctionType(value.type, [value.type])
    root = ir.Function(code.builder.module, kind, f"llvm.sqrt.v1{suffix}")
    return code.builder.call(root, [value])
