"""The benchmark of trainings on GPUs, as far as a processor goes: on CuPy's stand-in."""

from __future__ import annotations

import json
import sys

import pytest

from bench.gpu import training
from tests.core.conv.cuda import capture


def test_a_run_writes_figures_and_a_page(tmp_path_factory, tmp_path, monkeypatch, capsys) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no C compiler")

    properties = {"major": 9, "minor": 0, "multiProcessorCount": 1, "totalGlobalMem": 1 << 30}
    monkeypatch.setattr(training, "_NETS", ("lenet5",))
    monkeypatch.setattr(training, "_BATCHES", (2,))
    monkeypatch.setattr(training, "_TURNS", 1)
    monkeypatch.setattr(training, "_MOST_CALLS", 1)
    # A machine that has PyTorch has it for its processor.
    monkeypatch.setitem(sys.modules, "torch", None)
    compiled = {"torch.compile": lambda *_: broken}
    monkeypatch.setattr(training, "CONTENDERS", training.CONTENDERS | compiled)
    with capture.nets(tmp_path_factory.mktemp("none")) as (cupy, recorder):
        found = cupy.cuda.runtime.getDeviceProperties(0)
        monkeypatch.setattr(cupy.cuda.runtime, "getDeviceProperties", lambda _: found | properties)
        # What fails, here with its first step, does not take the figures of the others along.
        assert training.main(["--out", str(tmp_path)]) == 1
        assert recorder.launches > 0
    (row,) = json.loads((tmp_path / "gpu-training-a-stand-in.json").read_text())["rows"]
    assert set(row["seconds"]) == {"convq", "convq without graphs", "convq tf32", "convq mixed"}
    assert "written: " in capsys.readouterr().out
    page = (tmp_path / "gpu-training-a-stand-in.md").read_text()
    assert "| lenet5 | 2 | " in page
    assert "- torch CUDA graph: torch is not installed" in page
    assert "- torch.compile: lenet5 x 2: RuntimeError: no C compiler" in page
    assert row["failed"] == ["torch.compile"]


def test_the_ratio_is_that_to_the_best_of_pytorch() -> None:
    about = dict.fromkeys(("device", "date", "commit", "driver", "python"), "") | {"versions": {}}
    seconds = {
        "convq": 2e-3, "convq mixed": 1e-3, "torch": 5e-3, "torch.compile": 3e-3,
        "torch tf32 CUDA graph": 1e-3,
    }  # fmt: skip
    row = {"net": "n", "batch": 1, "seconds": seconds, "skipped": {}}
    page = training.page({"machine": about, "rows": [row]})
    assert (
        page.splitlines()[-1] == "| n | 1 | 2.000 |  |  | 1.000 | 5.000 | 3.000 |  | 1.000 | 1.50 |"
    )


def test_without_cupy_it_says_so(monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert training.main([]) == 2
    assert "CuPy is not installed" in capsys.readouterr().err


@pytest.mark.gpu
@pytest.mark.parametrize("name", training._NETS)
def test_steps_are_captured_on_a_device(real_cupy, name) -> None:
    training.convq(real_cupy, training.cell_of(name, 8))()
