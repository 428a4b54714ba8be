"""From the input into a tile, and from a tile into the output: rows of boxes, masked.

What lies outside of a box reads as zero and is not written, nor is it touched, so addresses may
point to where there is no memory.
"""

from __future__ import annotations

from collections.abc import Sequence

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
        self._last = last
        width = builder.trunc(builder.sub(last, first), _LANE)
        self._width = vectors.code.splat(width, vectors.lanes)

    def load(self, offset: int | Value) -> Value:
        """Load a vector of elements from ``offset`` on, zeros outside of the window."""
        code, lanes = self._vectors.code, self._vectors.lanes
        zeros = code.constant(0.0, self._vectors.dtype, lanes)
        alignment = ir.Constant(_LANE, np.dtype(self._vectors.dtype).itemsize)
        arguments = [self._existing(offset), alignment, self._mask(offset), zeros]
        return self._call(self._masked("load", zeros.type), zeros.type, arguments)

    def store(self, value: Value, offset: int | Value) -> None:
        """Store the elements of a vector that lie in the window, the first at ``offset``."""
        alignment = ir.Constant(_LANE, np.dtype(self._vectors.dtype).itemsize)
        arguments = [value, self._existing(offset), alignment, self._mask(offset)]
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
        """Ask for the cache line at ``offset``."""
        arguments = [self._existing(offset)] + [ir.Constant(_LANE, n) for n in (int(write), 3, 1)]
        self._call("llvm.prefetch.p0", ir.VoidType(), arguments)

    def _existing(self, offset: int | Value) -> Value:
        # A vector all outside gets the address of the window's first element, or of nothing at
        # all where the window is empty. It is not read; but to see that there is no memory at
        # an address takes a processor a hundred times as long as to read it.
        code = self._vectors.code
        builder = code.builder
        end = code.index(offset, self._vectors.lanes)
        meets = builder.and_(
            builder.icmp_signed(">", end, self._first),
            builder.icmp_signed("<", code.integer(offset), self._last),
        )
        somewhere = builder.select(meets, code.integer(offset), self._first)
        return code.at(self._address, self._vectors.dtype, somewhere)

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


class Boxes:
    """A list of boxes in memory, each with as many axes as a tile.

    Parameters
    ----------
    vectors : Vectors
        Writes the kernel.
    lane_numbers : Value
        What `lane_numbers` returns.
    words : Value
        The kernel's pointer to 64-bit integers, ``1 + 2 * ndim`` for each box: the address where
        the tile's first element lies or would lie, and per axis the first and the end of those
        of the tile's elements that exist.
    strides : Value
        The kernel's pointer to the bytes between elements along each axis but the last.
    ndim : int
        Number of axes.
    parts : {1, 2}
        Numbers in an element: 2 for complex ones.
    spare : Value
        Any address that exists.
    """

    def __init__(
        self,
        vectors: Vectors,
        lane_numbers: Value,
        words: Value,
        strides: Value,
        ndim: int,
        parts: int,
        spare: Value,
    ) -> None:
        self._vectors = vectors
        self._numbers = lane_numbers
        self._words = words
        self._strides = strides
        self._ndim = ndim
        self._parts = parts
        self._spare = spare

    def limits(self, box: int | Value, axis: int) -> tuple[Value, Value]:
        """Return the first and the end of a box's elements along an axis."""
        return self._word(box, 1 + 2 * axis), self._word(box, 2 + 2 * axis)

    def reaches(self, box: int | Value, position: Sequence[Value]) -> Value:
        """Return whether a box has elements in the row at ``position``, one index per axis."""
        builder = self._vectors.code.builder
        inside = ir.Constant(ir.IntType(1), 1)
        for axis, i in enumerate(position):
            first, last = self.limits(box, axis)
            inside = builder.and_(inside, builder.icmp_signed(">=", i, first))
            inside = builder.and_(inside, builder.icmp_signed("<", i, last))
        return inside

    def row(self, box: int | Value, position: Sequence[Value]) -> RowWindow:
        """Return the row of a box at ``position``; empty where the box does not reach it."""
        code = self._vectors.code
        builder = code.builder
        address = self._word(box, 0)
        for axis, i in enumerate(position):
            address = code.index(address, (i, self._integer(self._strides, axis)))
        ends = [code.index((end, self._parts)) for end in self.limits(box, self._ndim - 1)]
        # Where nothing exists, any address that does will do.
        inside = builder.and_(self.reaches(box, position), builder.icmp_signed("<", *ends))
        zero = code.integer(0)
        first, last = (builder.select(inside, end, zero) for end in ends)
        spare = builder.ptrtoint(self._spare, ir.IntType(64))
        pointer = builder.inttoptr(builder.select(inside, address, spare), ir.PointerType())
        return RowWindow(self._vectors, self._numbers, pointer, first, last)

    def _word(self, box: int | Value, word: int) -> Value:
        return self._integer(self._words, self._vectors.code.index((box, 1 + 2 * self._ndim), word))

    def _integer(self, pointer: Value, offset: int | Value) -> Value:
        code = self._vectors.code
        return code.builder.load(code.at(pointer, "int64", offset), typ=ir.IntType(64), align=8)
