"""What ``convq doctor`` says about GPUs, with a stand-in for NVIDIA's management library."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from convq.cli import doctor_gpus
from convq.cli.check import Check
from core.conv import device
from core.conv.cuda import cudnn
from core.settings import Settings
from workers import gpus
from workers.gpus import Driver

ROOT = Path(__file__).resolve().parents[3]
H100 = {"uuid": "GPU-aa", "name": "NVIDIA H100", "memory": 80 << 30}
V100 = {"uuid": "GPU-cc", "name": "NVIDIA V100", "memory": 16 << 30, "capability": [7, 0]}
SLICES = [{"uuid": f"MIG-{n}", "name": "NVIDIA H100 MIG 1g.10gb", "memory": 10 << 30} for n in "12"]
DIVIDED = H100 | {"uuid": "GPU-bb", "slices": SLICES}
NOT_MEASURED = "not measured: plans use the constants of another GPU"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the packages that there are, by the versions that tests give them."""
    packages: dict[str, str] = {}
    monkeypatch.setattr(doctor_gpus, "_version", packages.get)
    return packages


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("CONVQ_CACHE_DIR", str(tmp_path / "cache"))
    return Settings()


def found(settings: Settings) -> dict[str, Check]:
    return {check.name: check for check in doctor_gpus.examine(settings, test=False)}


@pytest.mark.usefixtures("installed")
def test_every_gpu_and_slice_is_listed(
    machine_with: Callable[..., Path], settings: Settings
) -> None:
    machine_with(H100, DIVIDED)
    checks = found(settings)
    assert checks["gpu driver"].found == "580.95.05, for CUDA 13.0 or older"
    assert [name for name in checks if name[-1].isdigit()] == ["gpu 0", "gpu 1:0", "gpu 1:1"]
    of_slice = "NVIDIA H100 MIG 1g.10gb, compute capability 9.0, 10.0 GiB, MIG-2"
    assert checks["gpu 1:1"].found == f"{of_slice}; {NOT_MEASURED}"
    assert checks["gpu 1:1"].advice == "CUDA_VISIBLE_DEVICES=MIG-2 convq calibrate --gpu"
    assert checks["gpu workers"].found == "one for each of 0, 1:0, 1:1 (CONVQ_GPUS=auto)"
    # What calibration stores is what is looked for.
    device.save(device.gpu("NVIDIA H100"))
    whole = "NVIDIA H100, compute capability 9.0, 80.0 GiB, GPU-aa"
    assert found(settings)["gpu 0"] == Check("gpu 0", "ok", whole)


@pytest.mark.usefixtures("installed", "machine_with")
def test_without_a_driver_the_processor_computes(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("STAND_IN_GPUS")
    monkeypatch.setattr(doctor_gpus, "_KERNEL_MODULE", tmp_path / "version")
    (check,) = doctor_gpus.examine(settings, test=True)
    why = "no NVIDIA driver answers: Driver Not Loaded"
    assert check == Check("gpu", "ok", f"none, the processor computes: {why}")
    # It is loaded, and does not answer: somebody has to do something.
    (tmp_path / "version").touch()
    (check,) = doctor_gpus.examine(settings, test=True)
    assert (check.status, check.found) == ("warn", f"there is an NVIDIA driver, but {why}")
    assert "utility" in check.advice
    monkeypatch.setitem(sys.modules, "pynvml", None)
    (check,) = doctor_gpus.examine(settings, test=True)
    assert check.advice == "pip install nvidia-ml-py"


@pytest.mark.usefixtures("installed")
def test_gpus_that_are_named_must_be_there(machine_with: Callable[..., Path]) -> None:
    machine_with(H100)
    check = found(Settings(gpus="0,3"))["gpu workers"]
    assert (check.status, check.needed) == ("missing", True)
    assert check.found == ("CONVQ_GPUS: there is no such GPU (given: '3'; accepted: 0 (GPU-aa))")
    assert "gpu workers" not in found(Settings(gpus="none"))


OLD = Driver("535.2", (12, 2))
NEW = Driver("580.1", (13, 0))


@pytest.mark.parametrize(
    ("driver", "gpu", "here", "status", "said", "advice"),
    [
        (NEW, H100, [], "warn", "not installed", "pip install 'convq[gpu-cuda13]'"),
        (OLD, H100, [], "warn", "not installed", "pip install 'convq[gpu-cuda12]'"),
        # CUDA 13 compiles nothing for it, though the driver runs both.
        (NEW, V100, [], "warn", "not installed", "pip install 'convq[gpu-cuda12]'"),
        (NEW, H100, ["cupy-cuda13x"], "ok", "cupy-cuda13x 14.2", ""),
        (NEW, H100, ["cupy-cuda12x"], "ok", "cupy-cuda12x 14.2", ""),
        (OLD, H100, ["cupy"], "ok", "cupy 14.2", ""),
        *(
            (
                driver,
                gpu,
                ["cupy-cuda13x"],
                "warn",
                "too old",
                "pip uninstall cupy-cuda13x; pip install 'convq[gpu-cuda12]'",
            )
            for driver, gpu in ((OLD, H100), (NEW, V100))
        ),
        (
            NEW,
            H100,
            ["cupy-cuda12x", "cupy-cuda13x"],
            "warn",
            "write over each other",
            "pip uninstall cupy-cuda12x cupy-cuda13x; pip install 'convq[gpu-cuda13]'",
        ),
    ],
)
def test_it_says_which_cupy_to_install(
    machine_with: Callable[..., Path],
    settings: Settings,
    installed: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    driver: Driver,
    gpu: dict[str, Any],
    here: list[str],
    status: str,
    said: str,
    advice: str,
) -> None:
    machine_with(gpu)
    libraries(monkeypatch, set())
    monkeypatch.setattr(gpus, "driver", lambda: driver)
    installed.update(dict.fromkeys(here, "14.2"))
    checks = found(settings)
    assert checks["cupy"].status == status
    assert said in checks["cupy"].found
    assert checks["cupy"].advice == advice
    # What it loads is looked at once it is right.
    assert ("cuda libraries" in checks) == (status == "ok")


def libraries(monkeypatch: pytest.MonkeyPatch, missing: set[str]) -> None:
    """Let CUDA's libraries be there, but for some."""

    class NotFound(RuntimeError):
        pass

    def load(name: str) -> None:
        if name in missing:
            raise NotFound(name)

    pathfinder = SimpleNamespace(
        load_nvidia_dynamic_lib=load,
        DynamicLibNotFoundError=NotFound,
        find_nvidia_header_directory=lambda name: None if name in missing else "/usr/include",
    )
    monkeypatch.setitem(sys.modules, "cuda", SimpleNamespace(pathfinder=pathfinder))


def test_it_says_what_cupy_lacks(
    machine_with: Callable[..., Path],
    settings: Settings,
    installed: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine_with(H100)
    installed["cupy-cuda13x"] = "14.2"
    libraries(monkeypatch, {"nvrtc", "curand", "cudart"})
    checks = found(settings)
    assert checks["cuda libraries"].found == "not found: nvrtc, curand, headers of cudart"
    assert "pip install 'cupy-cuda13x[ctk]'" in checks["cuda libraries"].advice
    libraries(monkeypatch, set())
    assert found(settings)["cuda libraries"].status == "ok"


@pytest.mark.parametrize(
    ("version", "missing", "status"),
    [
        (None, "nvidia-cudnn-frontend is not installed", "ok"),
        ("1.32", "it cannot be loaded: no such file", "warn"),
        ("1.32", None, "ok"),
    ],
)
def test_it_says_whether_there_is_cudnn(
    machine_with: Callable[..., Path],
    settings: Settings,
    installed: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    version: str | None,
    missing: str | None,
    status: str,
) -> None:
    machine_with(H100)
    libraries(monkeypatch, set())
    installed["cupy-cuda12x"] = "14.2"
    if version is not None:
        installed["nvidia-cudnn-frontend"] = version
    monkeypatch.setattr(cudnn, "missing", lambda: missing)
    check = found(settings)["cudnn"]
    assert check.status == status
    assert (missing or "nvidia-cudnn-frontend 1.32") in check.found
    # For the CUDA that CuPy has, whatever else would do.
    assert ("convq[cudnn-cuda12]" in check.advice) == (missing is not None)


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
@pytest.mark.usefixtures("installed", "service")
def test_gpus_are_tested_where_that_is_asked_for(
    convq: Callable[..., Any],
    machine_with: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
) -> None:
    folder = machine_with(H100, DIVIDED)
    (folder / "broken-MIG-1").touch()
    stand_in = ROOT / "tests" / "workers" / "stand_in"
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(stand_in), str(ROOT)]))
    monkeypatch.setenv("CONVQ_GPUS", "0,1:0")
    result = convq("doctor", "--test-gpus", "--json")
    assert result.exit_code == 1
    checks = {check["name"]: check for check in json.loads(result.stdout)["checks"]}
    tested = {name: check for name, check in checks.items() if name.startswith("test of")}
    assert {name: check["status"] for name, check in tested.items()} == {
        "test of gpu 0": "ok",
        "test of gpu 1:0": "missing",
    }
    assert "GPU-aa" in tested["test of gpu 0"]["found"]
    assert "ECC" in tested["test of gpu 1:0"]["found"]
