"""The benchmark of GPUs, as far as a processor goes: on CuPy's stand-in, with small problems."""

import json
import re
import shutil
import sys
from dataclasses import replace

import pytest

from bench.cells import Cell
from bench.gpu import __main__ as command
from bench.gpu import ceilings, timing
from bench.gpu.cells import every_cell
from bench.gpu.goals import GOALS, verdict
from core.conv import device
from core.conv.cuda import fft, modules
from tests.core.conv.cuda import cudnn_standin, standin

PROPERTIES = {
    "name": b"A stand-in 1", "sharedMemPerBlockOptin": 48 << 10, "major": 9, "minor": 0,
    "multiProcessorCount": 1, "totalGlobalMem": 1 << 30,
}  # fmt: skip


def small(cell: Cell) -> Cell:
    """The same with few numbers, and one kernel for all so that it is compiled once."""
    if cell.is_net:
        return replace(cell, shape=(1, 2, 6, 6), kernel=(2, 2, 3, 3))
    return replace(
        cell, shape=tuple(min(n, 40) for n in cell.shape), kernel=(3,) * len(cell.kernel)
    )


CELLS = [small(cell) for cell in every_cell()]


@pytest.fixture
def on_the_standin(tmp_path_factory, monkeypatch):
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    found = standin.modules(tmp_path_factory.mktemp("cuda"), PROPERTIES)
    for name, module in found.items():
        monkeypatch.setitem(sys.modules, name, module)
    # A machine that has PyTorch has it for its processor.
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(ceilings, "_COPIED", 1 << 12)
    monkeypatch.setattr(ceilings, "_BROUGHT", 1 << 12)
    monkeypatch.setattr(ceilings, "_BLOCKS", 1)
    monkeypatch.setattr(ceilings, "_TURNS", 10)
    monkeypatch.setattr(timing, "_TURNS", 1)
    monkeypatch.setattr(timing, "_MOST_CALLS", 1)
    with cudnn_standin.installed():
        yield
    for cached in (modules._function, modules._module, fft._roots, device.gpu, device._gpu):
        cached.cache_clear()


def test_a_run_writes_figures_page_and_plot(on_the_standin, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(command, "every_cell", lambda: CELLS)
    assert command.main(["--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "gpu-a-stand-in-1.json").read_text())
    assert [row["cell"] for row in report["rows"]] == [cell.name for cell in CELLS]
    assert set(report["ceilings"]) == {"copy", "multiply_adds", "to_device", "to_host"}
    assert {"convq", "convq fft-tiled", "cupyx ndimage"} <= set(report["rows"][0]["seconds"])
    assert report["rows"][-1]["skipped"]["torch"] == "torch is not installed"
    page = (tmp_path / "gpu-a-stand-in-1.md").read_text()
    assert "- torch: torch is not installed" in page
    assert "| dense-2d | 10 | " in page
    assert "| cell | direct | cudnn |" in page
    # Nets have no peer here.
    assert re.search(r"^\| ahead of every peer \| \d+ of 16 \|$", page, re.MULTILINE)
    assert (tmp_path / "gpu-a-stand-in-1.png").read_bytes().startswith(b"\x89PNG")
    # What was recorded is drawn again without a device.
    monkeypatch.setitem(sys.modules, "cupy", None)
    again = tmp_path / "again"
    recorded = str(tmp_path / "gpu-a-stand-in-1.json")
    assert command.main(["--render", recorded, "--out", str(again)]) == 0
    assert (again / "gpu-a-stand-in-1.md").read_text() == page


def test_figures_of_others_outlive_a_contender_that_fails(
    on_the_standin, tmp_path, monkeypatch, capsys
) -> None:
    def failing(*_: object) -> None:
        raise MemoryError("out of memory\nat least")

    first, second, third = CELLS[:3]
    ours = timing.convq_call
    monkeypatch.setattr(command, "every_cell", lambda: [first, second, third])
    monkeypatch.setattr(
        timing,
        "PEERS",
        {"torch": failing, "cupyx ndimage": lambda cell, x, w: lambda: 2 * x},
    )
    monkeypatch.setattr(
        timing,
        "convq_call",
        lambda cell, *given: failing() if cell is first else ours(cell, *given),
    )
    monkeypatch.setattr(timing, "_CLOSE", 1e9)
    assert command.main(["--out", str(tmp_path)]) == 1
    report = json.loads((tmp_path / "gpu-a-stand-in-1.json").read_text())
    assert [row["cell"] for row in report["rows"]] == [second.name, third.name]
    assert report["failed"] == {first.name: "MemoryError: out of memory"}
    assert report["rows"][0]["skipped"]["torch"] == f"{second.name}: MemoryError: out of memory"
    assert set(report["rows"][0]["host"]) == set(report["rows"][0]["seconds"])
    assert f"- {first.name}: MemoryError" in (tmp_path / "gpu-a-stand-in-1.md").read_text()
    # One that computes something else is not timed.
    monkeypatch.setattr(timing, "_CLOSE", 1e-3)
    monkeypatch.setattr(command, "every_cell", lambda: [second])
    assert command.main(["--out", str(tmp_path)]) == 1
    (row,) = json.loads((tmp_path / "gpu-a-stand-in-1.json").read_text())["rows"]
    assert row["differing"] == ["cupyx ndimage"]
    assert "cupyx ndimage" not in row["seconds"]
    assert f"failed, or differs: {second.name}" in capsys.readouterr().err


def test_without_cupy_it_says_so_and_lists_its_cells(monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert command.main([]) == 2
    assert "CuPy is not installed" in capsys.readouterr().err
    assert command.main(["--list", "--only", "64×64000"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert command.main(["--only", "no such cell"]) == 2


@pytest.mark.parametrize(
    ("family", "kernel", "seconds", "device", "missed"),
    [
        ("dense-2d", 9, {"convq": 9e-5}, "H100", []),
        ("dense-2d", 9, {"convq": 9e-5 + 1e-9}, "H100", [0]),
        ("dense-2d", 11, {"convq": 1.0}, "H100", None),
        ("dense-2d", 31, {"convq": 2e-4, "torch": 1.0}, "NVIDIA H100 PCIe", [1]),
        ("dense-2d", 31, {"convq": 2e-4, "torch": 1.0}, "A100", []),
        ("channels-1d", 1024, {"convq": 1.0, "torch": 19.0}, "", [2]),
        ("channels-1d", 1024, {"convq": 1.0, "torch": 20.0}, "", []),
        ("net", 3, {"convq": 1.0, "convq direct": 0.5, "torch": 1.0}, "", [3]),
        ("net", 3, {"convq": 1.0}, "", None),
    ],
)
def test_a_row_says_which_of_its_goals_it_missed(family, kernel, seconds, device, missed) -> None:
    report = {"ceilings": {"copy": 3e12, "multiply_adds": 3e13}, "machine": {"device": device}}
    row = {
        "family": family, "kernel": kernel, "seconds": seconds,
        "bytes": 135_000_000, "multiply_adds": 1_000_000,
    }  # fmt: skip
    names = None if missed is None else ", ".join(GOALS[i].text for i in missed)
    assert verdict(row, report) == ("" if names is None else f"no: {names}" if names else "yes")
