from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from llvmlite import ir

from core.conv.codegen.emit import Emitter
from core.conv.codegen.library import compile_object
from core.conv.codegen.target import named
from core.edge.codegen.objects import machine_code
from core.edge.codegen.parts import parts
from core.edge.plan import Vectors, plan
from core.edge.profiles import profiles
from core.edge.runtime.machine import Code, features, unusable
from core.edge.tiles import best_tile
from core.nets.model import Model

CPUS = sorted({board.cpu for board in profiles().values()})


@pytest.mark.parametrize("cpu", CPUS)
def test_all_steps_are_compiled_for_every_board(
    cpu: str, make_model: Callable[..., Model], small_net: dict[str, Any]
) -> None:
    target = named(cpu)
    found = plan(make_model(small_net), Vectors(target.lanes(4), target.registers))
    code, where = parts(found, target)
    assert [(part["first"], part["count"]) for part in where] == [(0, len(found.steps))]
    assert 500 < len(code) < 20_000


@pytest.mark.parametrize("cpu", CPUS)
def test_code_with_data_or_strangers_is_refused(cpu: str) -> None:
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
    about = {"architecture": "x86_64", "cpu": "x86-64-v3", "needs": ["avx2", "fma"]}
    (tmp_path / "proc" / "self").mkdir(parents=True)
    root = f"{tmp_path}/"
    monkeypatch.setattr(machine, lambda: "x86_64")
    (tmp_path / "proc" / "cpuinfo").write_text("model name\t: x\nflags\t\t: sse avx2\n")
    assert unusable(about, root) == "it is for x86-64-v3, this processor has no fma"
    (tmp_path / "proc" / "cpuinfo").write_text("flags\t: sse avx2 fma\n")
    assert unusable(about, root) is None
    monkeypatch.setattr(machine, lambda: "aarch64")
    assert unusable(about, root) == "it is for x86_64, this is aarch64"
    # ASIMD and the dot product: bits 1 and 20 of entry 16.
    auxv = struct.pack("@LLLL", 6, 4096, 16, 1 << 1 | 1 << 20)
    (tmp_path / "proc" / "self" / "auxv").write_bytes(auxv)
    assert features(root) == {"asimd", "asimddp"}
    monkeypatch.setattr(ctypes, "sizeof", lambda kind: 4)
    assert unusable(about, root) == "it is for x86_64, this is armv7"


@pytest.mark.parametrize("registers", [16, 32])
def test_tiles_fit_into_registers(registers: int) -> None:
    tile_of = partial(best_tile, lanes=4, registers=registers)
    for columns in (1, 2, 7, 28, 200):
        for outputs in (1, 6, 16, 120, 1000):
            tile = tile_of(columns, outputs)
            assert tile.pixels * tile.vectors + tile.vectors < registers
            assert tile.pixels <= columns
