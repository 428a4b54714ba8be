"""Calls of kernels one after the other, as a single call.

A table as `core.conv.codegen.calls` takes it says what may happen at the same time. A chain is what
has to happen in order, such as all layers of a net for one group of images; it is itself a kernel,
so that a row of such a table can be a chain. Its rows are longer, for kernels with many arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from core.conv.codegen.calls import Call
from core.conv.codegen.emit import Kind
from core.conv.codegen.library import Kernel, load
from core.conv.codegen.target import Target, host

# Words of a row: a function's address and its arguments. Functions leave alone what they do not
# take: so it is with integers in the C calling conventions of x86-64, AArch64 and ARM's hard float.
ROW = 40

PARAMETERS: tuple[Kind, ...] = ("integer",) * 2


def table(calls: Sequence[Call]) -> NDArray[np.int64]:
    """Return calls as `call` takes them: a row each, the kernel's address and its arguments."""
    rows = np.zeros((len(calls), ROW), np.int64)
    for row, (kernel, arguments) in zip(rows, calls, strict=True):
        row[0] = kernel.address
        row[1 : 1 + len(arguments)] = arguments
    return rows


def call(table: NDArray[np.int64]) -> Call:
    """Return all calls of a table, in order, as one; the table has to be kept.

    Examples
    --------
    >>> from core.conv.codegen.emit import Emitter
    >>> def double(target):
    ...     code = Emitter(target, "double", ("pointer",))
    ...     number = code.load(code.arguments[0], "int64", 1)
    ...     code.store(code.add(number, number), code.arguments[0])
    ...     return code.finish()
    >>> kernel = load(partial(double, host()), "double", ("pointer",))
    >>> number = np.array([3])
    >>> twice = table([(kernel, (number.ctypes.data,))] * 2)
    >>> chain, arguments = call(twice)
    >>> chain(*arguments)
    >>> number
    array([12])
    """
    return _kernel(), (table.ctypes.data, len(table))


@cache
def _kernel() -> Kernel:
    return load(partial(source, host()), "chain", PARAMETERS)


def source(target: Target) -> str:
    """Return the IR of the kernel: ``chain(table, rows)``.

    Examples
    --------
    >>> "define void @chain" in source(host())
    True
    """
    arguments = ", ".join(f"i64 %a{i}" for i in range(1, ROW))
    loads = "\n".join(
        f"  %p{i} = getelementptr i64, ptr %row, i64 {i}\n  %a{i} = load i64, ptr %p{i}"
        for i in range(ROW)
    )
    return f"""
target triple = "{target.triple}"

define void @chain(i64 %table, i64 %rows) {{
entry:
  %first = inttoptr i64 %table to ptr
  br label %look
look:
  %number = phi i64 [0, %entry], [%following, %turn]
  %more = icmp slt i64 %number, %rows
  br i1 %more, label %turn, label %end
turn:
  %distance = mul i64 %number, {ROW}
  %row = getelementptr i64, ptr %first, i64 %distance
{loads}
  %function = inttoptr i64 %a0 to ptr
  call void %function({arguments})
  %following = add i64 %number, 1
  br label %look
end:
  ret void
}}
"""
