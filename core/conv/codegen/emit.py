"""A small vocabulary to write kernels in: loops, vectors, loads and stores.

A kernel is one function without a result. Numbers are counted in elements, never in bytes;
vectors have as many lanes as the kernel says, and one lane is a vector too. There are no
vectoriser and no unroller behind it: what is written is what runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

import numpy as np
from llvmlite import ir

from core.conv.codegen.target import Target

Value: TypeAlias = Any
"""A value of the generated program: an ``llvmlite.ir.Value``."""

Integer: TypeAlias = "int | Value"
"""A number known now, or in the generated program."""

Kind: TypeAlias = Literal["pointer", "integer"]
"""What a kernel takes: an address or a 64-bit integer."""

_INT = ir.IntType(64)
_LANE = ir.IntType(32)
_POINTER = ir.PointerType()
_ELEMENTS = {
    "float16": ir.HalfType(),
    "float32": ir.FloatType(),
    "float64": ir.DoubleType(),
    "int8": ir.IntType(8),
    "uint8": ir.IntType(8),
    "int16": ir.IntType(16),
    "uint16": ir.IntType(16),
    "int32": ir.IntType(32),
    "uint32": ir.IntType(32),
    "int64": _INT,
}
# Suffixes of intrinsics' names.
_SUFFIXES = {"half": "f16", "float": "f32", "double": "f64"}


class Emitter:
    """Writes one kernel for one processor.

    Parameters
    ----------
    target : Target
        The processor.
    name : str
        The function's name.
    parameters : sequence of {"pointer", "integer"}
        What the function takes: addresses and 64-bit integers. What is written through one
        pointer must not be read or written through another.

    Attributes
    ----------
    arguments : list of Value
        One for each parameter.
    builder : llvmlite.ir.IRBuilder
        For what the vocabulary lacks.

    Examples
    --------
    Add 1 to each of n numbers:

    >>> from core.conv.codegen.target import host
    >>> code = Emitter(host(), "increment", ("pointer", "integer"))
    >>> numbers, n = code.arguments
    >>> with code.loop(0, n) as i:
    ...     one = code.constant(1.0, "float32", 1)
    ...     code.store(code.add(code.load(numbers, "float32", 1, i), one), numbers, i)
    >>> "define void" in code.finish()
    True
    """

    def __init__(self, target: Target, name: str, parameters: Sequence[Kind]) -> None:
        self.target = target
        self._module = ir.Module(name)
        self._module.triple = target.triple
        types = [_POINTER if kind == "pointer" else _INT for kind in parameters]
        self._function = ir.Function(self._module, ir.FunctionType(ir.VoidType(), types), name)
        self.arguments: list[Value] = list(self._function.args)
        for argument in self.arguments:
            if argument.type == _POINTER:
                # Loads may then move past stores.
                argument.add_attribute("noalias")
        self.builder = ir.IRBuilder(self._function.append_basic_block("entry"))

    def finish(self) -> str:
        """End the function and return the IR of the module."""
        self.builder.ret_void()
        return str(self._module)

    # Integers

    def integer(self, value: Integer) -> Value:
        """Return a Python integer as a constant; a value is returned as it is."""
        return ir.Constant(_INT, value) if isinstance(value, int) else value

    def minimum(self, a: Integer, b: Integer) -> Value:
        """Return the smaller of two signed integers."""
        a, b = self.integer(a), self.integer(b)
        return self.builder.select(self.builder.icmp_signed("<", a, b), a, b)

    def index(self, *terms: Integer | tuple[Integer, Integer]) -> Value:
        """Return a sum of integers and of products of two, constants folded.

        Examples
        --------
        ``code.index((row, stride), column, 4)`` is ``row * stride + column + 4``.
        """
        constant, total = 0, None
        for term in terms:
            factors = term if isinstance(term, tuple) else (term, 1)
            if all(isinstance(factor, int) for factor in factors):
                constant += factors[0] * factors[1]
                continue
            if any(isinstance(factor, int) and factor == 0 for factor in factors):
                continue
            rest = [self.integer(f) for f in factors if not (isinstance(f, int) and f == 1)]
            product = rest[0] if len(rest) == 1 else self.builder.mul(*rest, flags=("nsw",))
            total = product if total is None else self.builder.add(total, product, flags=("nsw",))
        if total is None:
            return self.integer(constant)
        return (
            self.builder.add(total, self.integer(constant), flags=("nsw",)) if constant else total
        )

    # Control

    @contextmanager
    def loop(
        self,
        start: Integer,
        stop: Integer,
        step: Integer = 1,
        *,
        carried: list[Value] | None = None,
    ) -> Iterator[Value]:
        """Count from ``start`` to below ``stop``; not at all where there is nothing to count.

        Parameters
        ----------
        start, stop, step : int or Value
            ``step`` is positive.
        carried : list of Value, optional
            Values that live on from turn to turn: what the list holds at the end of the body is
            what it holds at the next turn's beginning, and, in the end, after the loop.

        Yields
        ------
        Value
            The counter.
        """
        builder, carried = self.builder, [] if carried is None else carried
        before = builder.block
        test = self._function.append_basic_block("test")
        body = self._function.append_basic_block("body")
        after = self._function.append_basic_block("after")
        builder.branch(test)
        builder.position_at_end(test)
        counter = builder.phi(_INT)
        counter.add_incoming(self.integer(start), before)
        phis = []
        for value in carried:
            phi = builder.phi(value.type)
            phi.add_incoming(value, before)
            phis.append(phi)
        builder.cbranch(builder.icmp_signed("<", counter, self.integer(stop)), body, after)
        builder.position_at_end(body)
        carried[:] = phis
        yield counter
        end = builder.block
        counter.add_incoming(builder.add(counter, self.integer(step), flags=("nsw",)), end)
        for phi, value in zip(phis, carried, strict=True):
            phi.add_incoming(value, end)
        builder.branch(test)
        carried[:] = phis
        builder.position_at_end(after)

    # Memory

    def at(self, pointer: Value, dtype: str, offset: Integer) -> Value:
        """Return the address ``offset`` elements of ``dtype`` after ``pointer``."""
        return self.builder.gep(pointer, [self.integer(offset)], source_etype=_ELEMENTS[dtype])

    def load(
        self,
        pointer: Value,
        dtype: str,
        lanes: int,
        offset: Integer = 0,
        *,
        as_dtype: str | None = None,
    ) -> Value:
        """Load consecutive elements as a vector, aligned to an element only.

        Parameters
        ----------
        pointer, offset
            The first element is ``offset`` elements after ``pointer``.
        dtype, lanes : str, int
            What lies in memory, and how many.
        as_dtype : str, optional
            What to convert it to: a floating-point dtype that holds it exactly.
        """
        vector = self.builder.load(
            self.at(pointer, dtype, offset),
            align=np.dtype(dtype).itemsize,
            typ=ir.VectorType(_ELEMENTS[dtype], lanes),
        )
        return vector if as_dtype is None else self.convert(vector, dtype, as_dtype)

    def broadcast(self, pointer: Value, dtype: str, lanes: int, offset: Integer = 0) -> Value:
        """Load one element into all lanes of a vector."""
        element = _ELEMENTS[dtype]
        scalar = self.builder.load(
            self.at(pointer, dtype, offset), align=np.dtype(dtype).itemsize, typ=element
        )
        return self.splat(scalar, lanes)

    def store(self, vector: Value, pointer: Value, offset: Integer = 0) -> None:
        """Store a vector's lanes as consecutive elements, aligned to an element only."""
        element = vector.type.element
        address = self.builder.gep(pointer, [self.integer(offset)], source_etype=element)
        self.builder.store(vector, address, align=_bytes(element))

    # Vectors

    def splat(self, scalar: Value, lanes: int) -> Value:
        """Return a vector with ``scalar`` in all lanes."""
        undefined = ir.Constant(ir.VectorType(scalar.type, lanes), ir.Undefined)
        first = self.builder.insert_element(undefined, scalar, ir.Constant(_LANE, 0))
        zeros = ir.Constant(ir.VectorType(_LANE, lanes), [0] * lanes)
        return self.builder.shuffle_vector(first, undefined, zeros)

    def constant(self, value: float, dtype: str, lanes: int) -> Value:
        """Return a vector of one constant.

        Anything but 0 becomes data beside the code, which then needs a relocation; kernels that
        are compiled ahead of time take their constants by pointer.
        """
        element = _ELEMENTS[dtype]
        number = int(value) if isinstance(element, ir.IntType) else float(value)
        return ir.Constant(ir.VectorType(element, lanes), [number] * lanes)

    def shuffle(self, a: Value, b: Value, lanes: Sequence[int]) -> Value:
        """Return a vector of chosen lanes, counted through ``a`` and then through ``b``."""
        mask = ir.Constant(ir.VectorType(_LANE, len(lanes)), list(lanes))
        return self.builder.shuffle_vector(a, b, mask)

    def add(self, a: Value, b: Value) -> Value:
        """Return ``a + b``."""
        return self.builder.fadd(a, b) if _is_float(a) else self.builder.add(a, b)

    def sub(self, a: Value, b: Value) -> Value:
        """Return ``a - b``."""
        return self.builder.fsub(a, b) if _is_float(a) else self.builder.sub(a, b)

    def mul(self, a: Value, b: Value) -> Value:
        """Return ``a * b``."""
        return self.builder.fmul(a, b) if _is_float(a) else self.builder.mul(a, b)

    def neg(self, a: Value) -> Value:
        """Return ``-a``."""
        return self.builder.fneg(a) if _is_float(a) else self.builder.neg(a)

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """Return ``a * b + c``, rounded once (integers: wrapped)."""
        if not _is_float(a):
            return self.builder.add(self.builder.mul(a, b), c)
        suffix = f"v{a.type.count}{_SUFFIXES[str(a.type.element)]}"
        intrinsic = self._module.globals.get(f"llvm.fma.{suffix}") or ir.Function(
            self._module, ir.FunctionType(a.type, [a.type] * 3), f"llvm.fma.{suffix}"
        )
        return self.builder.call(intrinsic, [a, b, c])

    def convert(self, vector: Value, dtype: str, to: str) -> Value:
        """Return a vector of ``dtype`` as one of ``to``, a dtype that holds its numbers exactly."""
        if dtype == to:
            return vector
        wide = ir.VectorType(_ELEMENTS[to], vector.type.count)
        if dtype.startswith("float"):
            return self.builder.fpext(vector, wide)
        if to.startswith("float"):
            convert = self.builder.uitofp if dtype.startswith("u") else self.builder.sitofp
            # By way of 32-bit integers, from which every processor converts directly.
            if _bytes(vector.type.element) < 4:
                vector = self._extended(vector, dtype, "int32")
                convert = self.builder.sitofp
            return convert(vector, wide)
        return self._extended(vector, dtype, to)

    def _extended(self, vector: Value, dtype: str, to: str) -> Value:
        extend = self.builder.zext if dtype.startswith("u") else self.builder.sext
        return extend(vector, ir.VectorType(_ELEMENTS[to], vector.type.count))


def _is_float(value: Value) -> bool:
    return not isinstance(value.type.element, ir.IntType)


def _bytes(element: Any) -> int:
    return next(np.dtype(name).itemsize for name, known in _ELEMENTS.items() if known == element)
