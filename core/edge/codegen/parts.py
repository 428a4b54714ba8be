"""The machine code of a plan: one function for each run of steps that have writers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypedDict

import llvmlite.binding as llvm
from llvmlite import ir

from core.conv.codegen.emit import Emitter, Kind
from core.conv.codegen.library import compile_object
from core.conv.codegen.target import Target
from core.edge.codegen.convolution import conv
from core.edge.codegen.elementwise import activation, add, affine, border, image, normalize
from core.edge.codegen.objects import machine_code
from core.edge.codegen.pooling import pool
from core.edge.codegen.writing import Document, Writing, is_rectifier
from core.edge.plan import Plan

_ALIGNMENT = 64
_STEP = "step"
_PARAMETERS: tuple[Kind, ...] = ("pointer", "pointer", "pointer")

WRITERS: dict[str, Callable[[Writing, Document], None]] = {
    "input": image,
    "border": border,
    "conv": conv,
    "max_pool": pool,
    "average_pool": pool,
    "activation": activation,
    "add": add,
    "affine": affine,
    "normalize": normalize,
}


class Part(TypedDict):
    """Which steps a function computes, and where it begins in the code."""

    first: int
    count: int
    at: int


def parts(plan: Plan, target: Target) -> tuple[bytes, list[Part]]:
    """Return the machine code of a plan, and what is where in it.

    The rest of the steps is left to NumPy.

    Parameters
    ----------
    plan : Plan
        Made for the vectors of ``target``.
    target : Target
        The processor.

    Returns
    -------
    code : bytes
        Runs wherever it lies. Each function takes the addresses of the arena, of the packed weights
        and of the image.
    parts : list of Part
        In order.
    """
    code, found = bytearray(), list[Part]()
    for first, count in _runs(plan.steps, target.lanes(4)):
        code.extend(bytes(-len(code) % _ALIGNMENT))
        found.append({"first": first, "count": count, "at": len(code)})
        code.extend(_compiled(plan, plan.steps[first : first + count], target))
    return bytes(code), found


def _runs(steps: list[dict[str, Any]], lanes: int) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for number, step in enumerate(steps):
        if not _has_writer(step, lanes):
            continue
        if runs and sum(runs[-1]) == number:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((number, 1))
    return runs


def _has_writer(step: Document, lanes: int) -> bool:
    if step["op"] not in WRITERS or not is_rectifier(step):
        return False
    if step["op"] == "add":
        return all(x["pixel"] == step["y"]["pixel"] for x in step["xs"])
    if step["op"] in ("activation", "normalize", "affine"):
        # They go along whole rows, so a pixel must hold what it holds in the input, too.
        same = bool(step["x"]["pixel"] == step["y"]["pixel"])
        packed = step["op"] != "normalize" or step["x"]["pixel"] == step["x"]["shape"][0]
        return same and packed
    return bool(step.get("whole", True))


def _compiled(plan: Plan, steps: list[dict[str, Any]], target: Target) -> bytes:
    """Return a function that calls one for each step.

    In one function LLVM would keep numbers of all steps in registers, and put constants beside the
    code. Calls within one section need no linker.
    """
    names = [f"{_STEP}{number}" for number in range(len(steps))]
    main = _caller(names, target)
    for name, step in zip(names, steps, strict=True):
        emitter = Emitter(target, name, _PARAMETERS)
        arena, weights, image_ = emitter.arguments
        writing = Writing(emitter, target.lanes(4), arena, weights, image_, plan.places)
        WRITERS[step["op"]](writing, step)
        main.link_in(llvm.parse_assembly(emitter.finish()))
    return machine_code(compile_object(_internal(str(main)), target))


def _caller(names: Sequence[str], target: Target) -> Any:
    module = ir.Module("run")
    module.triple = target.triple
    kind = ir.FunctionType(ir.VoidType(), [ir.PointerType()] * len(_PARAMETERS))
    run = ir.Function(module, kind, "run")
    builder = ir.IRBuilder(run.append_basic_block("entry"))
    for name in names:
        builder.call(ir.Function(module, kind, name), run.args)
    builder.ret_void()
    return llvm.parse_assembly(str(module))


def _internal(text: str) -> str:
    """Return a module whose steps are called from within only.

    They stay functions, and loops that fill memory stay loops: there is no library to call.
    """
    head, attributes = rf"^define void (@{_STEP}\d+\(.*\)) \{{$", 'noinline "no-builtins"'
    return re.sub(head, rf"define internal void \1 {attributes} {{", text, flags=re.MULTILINE)
