"""The machine code of a plan for one processor: one function for each run of steps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from core.conv.codegen.library import compile_object
from core.conv.codegen.target import Target
from core.edge.codegen.calls import Board, call, widths
from core.edge.codegen.memory import BASES, ITEM_BYTES, At, Call, Packing, Tables, packing
from core.edge.codegen.objects import machine_code
from core.edge.plan import Plan

_ALIGNMENT = 64
_KERNEL = "kernel"
_INTEGER, _POINTER, _BYTE = ir.IntType(64), ir.PointerType(), ir.IntType(8)


class Part(NamedTuple):
    """Which steps a function computes, and where it begins in the code."""

    first: int
    steps: int
    at: int


class Variant(NamedTuple):
    """The machine code of a plan for one processor.

    Attributes
    ----------
    code : bytes
        Runs wherever it lies. Each function takes the addresses of the arena, of the packed
        weights, of the tables and of the image.
    tables : ndarray of int64
        What the kernels read beside numbers.
    packing : Packing
        How they read weights.
    parts : list of Part
        The functions, in order; the rest of the steps is left to NumPy.
    """

    code: bytes
    tables: NDArray[np.int64]
    packing: Packing
    parts: list[Part]


def variant(plan: Plan, target: Target) -> Variant:
    """Return the machine code of a plan.

    Parameters
    ----------
    plan : Plan
        Made for vectors at least as wide as the target's.
    target : Target
        The processor.
    """
    packed = packing(plan.arrays, widths(plan.steps, target), target.lanes(4))
    board = Board(target, packed, Tables())
    calls = [call(step, board) for step in plan.steps]
    code, parts = bytearray(), []
    for coded, run in groupby(enumerate(calls), lambda numbered: numbered[1] is not None):
        if not coded:
            continue
        numbers, made = zip(*run, strict=True)
        code.extend(bytes(-len(code) % _ALIGNMENT))
        parts.append(Part(numbers[0], len(numbers), len(code)))
        code.extend(_compiled(made, target))
    return Variant(bytes(code), board.tables.numbers, board.packing, parts)


def _compiled(calls: Sequence[Call], target: Target) -> bytes:
    """Return a function that makes calls of kernels, which lie behind it."""
    texts = [one.source() for one in calls]
    names = {text: f"{_KERNEL}{number}" for number, text in enumerate(dict.fromkeys(texts))}
    main = llvm.parse_assembly(_caller(calls, [names[text] for text in texts], target))
    for text, name in names.items():
        module = llvm.parse_assembly(text)
        (function,) = (one for one in module.functions if not one.is_declaration)
        function.name = name
        main.link_in(module)
    return machine_code(compile_object(_internal(str(main)), target))


def _caller(calls: Sequence[Call], names: Sequence[str], target: Target) -> str:
    module = ir.Module("run")
    module.triple = target.triple
    run = ir.Function(module, ir.FunctionType(ir.VoidType(), [_POINTER] * len(BASES)), "run")
    builder = ir.IRBuilder(run.append_basic_block("entry"))
    bases = dict(zip(BASES, run.args, strict=True))

    def value(argument: At | int) -> Any:
        if isinstance(argument, int):
            return ir.Constant(_INTEGER, argument)
        offset = ir.Constant(_INTEGER, argument.offset * ITEM_BYTES[argument.base])
        return builder.gep(bases[argument.base], [offset], source_etype=_BYTE)

    kernels: dict[str, ir.Function] = {}
    for one, name in zip(calls, names, strict=True):
        values = [value(argument) for argument in one.arguments]
        if name not in kernels:
            kind = ir.FunctionType(ir.VoidType(), [v.type for v in values])
            kernels[name] = ir.Function(module, kind, name)
        builder.call(kernels[name], values)
    builder.ret_void()
    return str(module)


def _internal(text: str) -> str:
    """Return a module whose kernels are called from within only.

    They stay functions, or LLVM would keep numbers of all steps in registers. Loops that fill
    memory stay loops: there is no library to call.
    """
    head, attributes = rf"^define void (@{_KERNEL}\d+\(.*\)) \{{$", 'noinline "no-builtins"'
    return re.sub(head, rf"define internal void \1 {attributes} {{", text, flags=re.MULTILINE)
