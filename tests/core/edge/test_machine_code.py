from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llvmlite import ir

from core.conv.codegen.emit import Emitter
from core.conv.codegen.library import compile_object
from core.conv.codegen.target import named
from core.edge.codegen.objects import machine_code
from core.edge.codegen.variant import variant
from core.edge.plan import plan
from core.edge.profiles import profiles
from core.edge.runtime.machine import Code, architecture, chosen, features
from core.nets.model import Model

CPUS = sorted({one.cpu for board in profiles().values() for one in board.processors})
# Every kernel, with every activation, and a branch that is put together again.
ALL_KERNELS: list[dict[str, Any]] = [
    {"layer": "whiten"},
    {"layer": "conv", "filters": 6, "kernel": 3, "padding": 1, "groups": 2},
    {"layer": "elu"},
    {"layer": "batch_norm"},
    {"layer": "leaky_relu"},
    {"layer": "conv_transpose", "filters": 5, "kernel": 3, "stride": 2, "padding": 1},
    {"layer": "tanh"},
    {"layer": "max_pool", "kernel": 2, "stride": 1},
    {"layer": "sigmoid", "name": "left"},
    {"layer": "conv", "filters": 5, "kernel": 1, "name": "right"},
    {"layer": "concatenate", "inputs": ["left", "right"], "name": "both"},
    {"layer": "average_pool", "kernel": 3, "stride": 1, "padding": 1},
    {"layer": "add", "inputs": ["average_pool1", "both"]},
    {"layer": "relu"},
    {"layer": "flatten"},
    {"layer": "dense", "features": 3},
]


@pytest.mark.parametrize("cpu", CPUS)
def test_all_steps_are_compiled_for_every_board(cpu: str, make_model: Callable[..., Model]) -> None:
    target = named(cpu)
    found = plan(make_model({"input": [2, 9, 8], "layers": ALL_KERNELS}), target.lanes(4))
    made = variant(found, target)
    assert [(part.first, part.steps) for part in made.parts] == [(0, len(found.steps))]
    assert 500 < len(made.code) < 30_000


@pytest.mark.parametrize("cpu", CPUS)
def test_code_that_needs_a_linker_is_refused(cpu: str) -> None:
    target = named(cpu)
    code = Emitter(target, "run", ("pointer",))
    # Of 32-bit ARM and small constants, the data would lie in the code.
    values = [float(i) + 0.123 for i in range(target.lanes(4))]
    module = code.builder.module
    constant = ir.Constant(ir.VectorType(ir.FloatType(), len(values)), values)
    code.store(
        code.add(code.load(code.arguments[0], "float32", len(values)), constant), code.arguments[0]
    )
    stranger = ir.Function(module, ir.FunctionType(ir.VoidType(), []), "elsewhere")
    code.builder.call(stranger, [])
    with pytest.raises(ValueError, match="outside of itself"):
        machine_code(compile_object(code.finish(), target))


@pytest.mark.skipif(architecture() != "x86_64", reason="its instructions name constants")
def test_constants_are_taken_along(tmp_path: Path) -> None:
    target = named("x86-64-v3")
    code = Emitter(target, "run", ("pointer",) * 4)
    values = [float(i) + 0.123 for i in range(target.lanes(4))]
    constant = ir.Constant(ir.VectorType(ir.FloatType(), len(values)), values)
    x = code.load(code.arguments[0], "float32", len(values))
    code.store(code.add(x, constant), code.arguments[0])
    image = compile_object(code.finish(), target)
    assert b".rodata" in image
    found = machine_code(image)
    (tmp_path / "code").write_bytes(found)
    numbers = np.ones(len(values), np.float32)
    mapped = Code(str(tmp_path / "code"), 0, len(found), found)
    mapped.function(0)(*[numbers.ctypes.data] * 4)
    np.testing.assert_array_equal(numbers, np.float32(1) + np.float32(values))


def test_no_object_file() -> None:
    with pytest.raises(ValueError, match="ELF"):
        machine_code(b"text" * 100)


def test_code_that_has_changed_is_not_mapped(tmp_path: Path) -> None:
    (tmp_path / "code").write_bytes(b"0123456789")
    Code(str(tmp_path / "code"), 2, 4, b"2345")
    with pytest.raises(OSError, match="changed"):
        Code(str(tmp_path / "code"), 2, 4, b"2346")


def test_processors_that_lack_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = "core.edge.runtime.machine.platform.machine"
    fast = {"cpu": "x86-64-v4", "needs": ["avx512f", "avx2"]}
    slow = {"cpu": "x86-64-v3", "needs": ["avx2", "fma"]}
    about = {"architecture": "x86_64", "variants": [fast, slow]}
    (tmp_path / "proc" / "self").mkdir(parents=True)
    root = f"{tmp_path}/"
    monkeypatch.setattr(machine, lambda: "x86_64")
    (tmp_path / "proc" / "cpuinfo").write_text("model name\t: x\nflags\t\t: sse avx2\n")
    assert chosen(about, root) == (None, "it is for x86-64-v3, this processor has no fma")
    (tmp_path / "proc" / "cpuinfo").write_text("flags\t: sse avx2 fma\n")
    assert chosen(about, root) == (slow, None)
    (tmp_path / "proc" / "cpuinfo").write_text("flags\t: sse avx2 fma avx512f\n")
    assert chosen(about, root) == (fast, None)
    monkeypatch.setattr(machine, lambda: "aarch64")
    assert chosen(about, root) == (None, "it is for x86_64, this is aarch64")
    # ASIMD and the dot product: bits 1 and 20 of entry 16.
    auxv = struct.pack("@LLLL", 6, 4096, 16, 1 << 1 | 1 << 20)
    (tmp_path / "proc" / "self" / "auxv").write_bytes(auxv)
    assert features(root) == {"asimd", "asimddp"}
    monkeypatch.setattr(ctypes, "sizeof", lambda kind: 4)
    assert chosen(about, root) == (None, "it is for x86_64, this is armv7")
