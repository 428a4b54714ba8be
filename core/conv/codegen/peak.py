"""The largest magnitude of an array, in one pass on all cores."""

from __future__ import annotations

from functools import cache, partial

import numpy as np
from llvmlite import ir

from core.arrays import Array
from core.conv.codegen import calls
from core.conv.codegen.emit import Emitter
from core.conv.codegen.library import Kernel, load
from core.conv.codegen.target import Target, host

# Comparisons that do not wait for each other.
_VECTORS = 4
_BLOCK = 1 << 16


def peak(x: Array) -> float:
    """Return the largest magnitude of a contiguous array of float32 or float64.

    NaN where ``x`` holds one, else infinity where it holds one.

    Examples
    --------
    >>> peak(np.array([1.0, -3.0, 2.0])), peak(np.array([1.0, np.nan, np.inf]))
    (3.0, nan)
    """
    flat = x.reshape(-1)
    search, wide = kernel(x.itemsize), step(host(), x.itemsize)
    whole = flat.size // wide * wide
    starts = range(0, max(whole, 1), _BLOCK)
    found = np.zeros((len(starts), wide), x.dtype)
    numbers, results = flat.ctypes.data, found.ctypes.data
    calls.run(
        calls.table(
            (
                search,
                (
                    numbers + first * flat.itemsize,
                    results + place * found.strides[0],
                    min(_BLOCK, whole - first),
                ),
            )
            for place, first in enumerate(starts)
        )
    )
    # Magnitudes of numbers are ordered as their bits are, NaN above all.
    bits = np.dtype(f"uint{8 * x.itemsize}")
    rest = abs(flat[whole:]).view(bits)
    return float(max(found.view(bits).max(), rest.max(initial=0)).view(x.dtype))


@cache
def kernel(itemsize: int) -> Kernel:
    """Return the compiled kernel for numbers of ``itemsize`` bytes; see `source`."""
    return load(partial(source, itemsize, host()), "peak", ("pointer", "pointer", "integer"))


def step(target: Target, itemsize: int) -> int:
    """Return how many numbers the kernel takes at a time."""
    return _VECTORS * target.lanes(itemsize)


def source(itemsize: int, target: Target) -> str:
    """Return the IR of a kernel: largest magnitudes, one for each place in a `step`.

    Its arguments are the addresses of the numbers and of the results, and how many numbers, a
    multiple of `step`.
    """
    code = Emitter(target, "peak", ("pointer", "pointer", "integer"))
    numbers, results, count = code.arguments
    dtype, lanes = f"int{8 * itemsize}", target.lanes(itemsize)
    magnitude = ir.Constant(
        ir.VectorType(ir.IntType(8 * itemsize), lanes), [(1 << (8 * itemsize - 1)) - 1] * lanes
    )
    largest = [code.constant(0, dtype, lanes)] * _VECTORS
    with code.loop(0, count, _VECTORS * lanes, carried=largest) as first:
        for v in range(_VECTORS):
            vector = code.load(numbers, dtype, lanes, code.index(first, v * lanes))
            bits = code.builder.and_(vector, magnitude)
            larger = code.builder.icmp_signed(">", bits, largest[v])
            largest[v] = code.builder.select(larger, bits, largest[v])
    for v, vector in enumerate(largest):
        code.store(vector, results, v * lanes)
    return code.finish()
