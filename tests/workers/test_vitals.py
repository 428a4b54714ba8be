"""What workers tell of their processes and GPUs."""

from __future__ import annotations

import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest

from workers import gpus
from workers.vitals import Vitals


def test_children_count_too() -> None:
    vitals = Vitals()
    first = vitals.read()
    assert first["utilisation"] is None
    assert first["memory"] > 1 << 20
    assert first["temperature"] is None or first["temperature"] > -50
    code = "import time\nx = bytearray(b'1' * (64 << 20))\nprint(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            child.stdout.readline()
            until = time.monotonic() + 0.1
            while time.monotonic() < until:
                pass
            told = vitals.read()
        finally:
            child.kill()
    assert told["memory"] > first["memory"] + (60 << 20)
    assert 0 < told["utilisation"] <= 1
    assert vitals.read()["memory"] < told["memory"]


class NVMLError(Exception):
    pass


def refuse(_: Any) -> Any:
    raise NVMLError


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Stand in for NVIDIA's library on a machine with a GPU that does not tell its power."""
    library = SimpleNamespace(
        NVMLError=NVMLError,
        NVML_TEMPERATURE_GPU=0,
        nvmlDeviceGetCount=lambda: 1,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetName=lambda _: "H",
        nvmlDeviceGetMemoryInfo=lambda _: SimpleNamespace(used=7, total=9),
        nvmlDeviceGetUtilizationRates=lambda _: SimpleNamespace(gpu=25),
        nvmlDeviceGetTemperature=lambda _, sensor: 61 + sensor,
        nvmlDeviceGetPowerUsage=refuse,
    )
    monkeypatch.setattr(gpus, "_library", lambda: library)
    return library


def test_a_gpu_tells_what_it_can(library: SimpleNamespace) -> None:
    (told,) = gpus.read()
    assert told == {
        "name": "H",
        "utilisation": 0.25,
        "memory": 7,
        "memory_total": 9,
        "temperature": 61,
        "watts": None,
    }
    library.nvmlDeviceGetPowerUsage = lambda _: 70_500
    assert gpus.read()[0]["watts"] == 70.5


def test_a_gpu_that_has_failed_does_not_silence_its_worker(library: SimpleNamespace) -> None:
    library.nvmlDeviceGetHandleByIndex = library.nvmlDeviceGetName = refuse
    (told,) = Vitals().read()["gpus"]
    assert told.pop("name") == "a GPU that does not answer"
    assert set(told.values()) == {None}
    library.nvmlDeviceGetCount = lambda: refuse(None)
    assert gpus.read() == []


def test_without_a_library_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    gpus._library.cache_clear()
    assert gpus.read() == []
    gpus._library.cache_clear()
