"""The benchmark of GPUs, as far as a processor goes: on CuPy's stand-in, with small problems."""

import json
import shutil
import sys

import pytest

from bench.cells import Cell
from bench.gpu import __main__ as command
from bench.gpu import ceilings, timing
from core.conv import device
from core.conv.cuda import fft, modules
from tests.core.conv.cuda import standin

PROPERTIES = {
    "name": b"A stand-in 1", "sharedMemPerBlockOptin": 48 << 10, "major": 9, "minor": 0,
    "multiProcessorCount": 1, "totalGlobalMem": 1 << 30,
}  # fmt: skip
CELLS = [
    Cell("dense-2d", "40² * 3²", (40, 40), (3, 3)),
    Cell("dense-2d", "40² * 5²", (40, 40), (5, 5)),
    Cell("channels-1d", "2×99 * 3", (2, 99), (3,)),
    Cell("net-step", "step", (1, 2, 6, 6), (2, 2, 3, 3)),
]


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
    assert report["rows"][3]["skipped"]["torch"] == "torch is not installed"
    page = (tmp_path / "gpu-a-stand-in-1.md").read_text()
    assert "- torch: torch is not installed" in page
    assert "| dense-2d | 2 | " in page
    assert (tmp_path / "gpu-a-stand-in-1.png").read_bytes().startswith(b"\x89PNG")
    # What was recorded is drawn again without a device.
    monkeypatch.setitem(sys.modules, "cupy", None)
    again = tmp_path / "again"
    recorded = str(tmp_path / "gpu-a-stand-in-1.json")
    assert command.main(["--render", recorded, "--out", str(again)]) == 0
    assert (again / "gpu-a-stand-in-1.md").read_text() == page


def test_without_cupy_it_says_so_and_lists_its_cells(monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert command.main([]) == 2
    assert "CuPy is not installed" in capsys.readouterr().err
    assert command.main(["--list", "--only", "64×64000"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert command.main(["--only", "no such cell"]) == 2
