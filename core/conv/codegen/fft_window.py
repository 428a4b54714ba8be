"""From the input into a tile, and from a tile into the output: vectors of rows, masked.

What lies outside of the input reads as zero, and what lies outside of the output is not written;
neither is touched, so addresses may point to where there is no memory.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir

from core.conv.codegen.emit import Value
from core.conv.codegen.fft_complex import Complex, Vectors

_LANE = ir.IntType(32)


def lane_numbers(vectors: Vectors) -> Value:
    """Return the vector ``0, 1, 2, ...`` of 32-bit integers."""
    numbers = vectors.tabulated(vectors.tabulate(range(vectors.lanes)))
    return vectors.code.builder.fptosi(numbers, ir.VectorType(_LANE, vectors.lanes))


class RowWindow:
    """Part of one row of an array in memory: elements ``first <= i < last`` from an address on.

    Parameters
    ----------
    vectors : Vectors
        Writes the kernel.
    lane_numbers : Value
        What `lane_numbers` returns.
    address : Value
        Where element 0 lies or would lie.
    first, last : Value
        64-bit integers; ``first <= last``.
    """

    def __init__(
        self, vectors: Vectors, lane_numbers: Value, address: Value, first: Value, last: Value
    ) -> None:
        builder = vectors.code.builder
        self._vectors = vectors
        self._numbers = lane_numbers
        self._address = address
        self._first = first
        width = builder.trunc(builder.sub(last, first), _LANE)
        self._width = vectors.code.splat(width, vectors.lanes)

    def load(self, offset: int | Value) -> Value:
        """Load a vector of elements from ``offset`` on, zeros outside of the window."""
        code, lanes = self._vectors.code, self._vectors.lanes
        zeros = code.constant(0.0, self._vectors.dtype, lanes)
        alignment = ir.Constant(_LANE, np.dtype(self._vectors.dtype).itemsize)
        arguments = [self._at(offset), alignment, self._mask(offset), zeros]
        return self._call(self._masked("load", zeros.type), zeros.type, arguments)

    def store(self, value: Value, offset: int | Value) -> None:
        """Store the elements of a vector that lie in the window, the first at ``offset``."""
        alignment = ir.Constant(_LANE, np.dtype(self._vectors.dtype).itemsize)
        arguments = [value, self._at(offset), alignment, self._mask(offset)]
        self._call(self._masked("store", value.type), ir.VoidType(), arguments)

    def load_complex(self, offset: int | Value) -> Complex:
        """Load complex elements, whose parts alternate; all counts are of single parts."""
        code, lanes = self._vectors.code, self._vectors.lanes
        low, high = self.load(offset), self.load(code.index(offset, lanes))
        return (
            code.shuffle(low, high, range(0, 2 * lanes, 2)),
            code.shuffle(low, high, range(1, 2 * lanes, 2)),
        )

    def store_complex(self, value: Complex, offset: int | Value) -> None:
        """Store complex elements, as `load_complex` loads them."""
        code, lanes = self._vectors.code, self._vectors.lanes
        mixed = [lane + part for lane in range(lanes) for part in (0, lanes)]
        self.store(code.shuffle(*value, mixed[:lanes]), offset)
        self.store(code.shuffle(*value, mixed[lanes:]), code.index(offset, lanes))

    def prefetch(self, offset: int | Value, *, write: bool) -> None:
        """Ask for the cache line at ``offset``, in the window or not."""
        arguments = [self._at(offset)] + [ir.Constant(_LANE, n) for n in (int(write), 3, 1)]
        self._call("llvm.prefetch.p0", ir.VoidType(), arguments)

    def _at(self, offset: int | Value) -> Value:
        return self._vectors.code.at(self._address, self._vectors.dtype, offset)

    def _mask(self, offset: int | Value) -> Value:
        # Unsigned, one comparison sees both ends; for what lies before the window wraps round.
        code = self._vectors.code
        start = code.builder.trunc(code.builder.sub(code.integer(offset), self._first), _LANE)
        numbers = code.builder.add(self._numbers, code.splat(start, self._vectors.lanes))
        return code.builder.icmp_unsigned("<", numbers, self._width)

    def _masked(self, name: str, vector: ir.Type) -> str:
        element = "f32" if self._vectors.dtype == "float32" else "f64"
        return f"llvm.masked.{name}.v{vector.count}{element}.p0"

    def _call(self, name: str, result: ir.Type, arguments: list[Value]) -> Value:
        module = self._vectors.code.builder.module
        function = module.globals.get(name) or ir.Function(
            module, ir.FunctionType(result, [argument.type for argument in arguments]), name
        )
        return self._vectors.code.builder.call(function, arguments)
