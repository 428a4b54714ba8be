"""What ``convq doctor`` finds about GPUs: driver, devices, and the packages that compute on them.

NVIDIA's management library is asked, not CUDA; only a test that is asked for computes on a GPU, in
a process of its own.
"""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from convq.cli.check import Check
from core.errors import ConvqError, Unavailable
from core.settings import Settings
from workers import devices, gpus
from workers.gpus import Driver, Gpu
from workers.trial import DeviceFailed, prove_apart

# There while the driver's kernel module is loaded, in containers as well.
_KERNEL_MODULE = Path("/proc/driver/nvidia/version")
# CuPy's wheels, by the major version of CUDA that they are built for.
_WHEELS = {12: "cupy-cuda12x", 13: "cupy-cuda13x"}
_PLAIN = "cupy"
# CUDA 13 compiles for nothing older (nvcc --list-gpu-arch).
_OLDEST_OF_13 = (7, 5)
# Compiler, transforms, products, decompositions, draws: what CuPy does for convq.
_LIBRARIES = ("nvrtc", "cufft", "cublas", "cusolver", "curand")
_FRONTEND = "nvidia-cudnn-frontend"


def examine(settings: Settings, *, test: bool) -> list[Check]:
    """Look at the GPUs of this machine and at what computes on them.

    Parameters
    ----------
    settings : Settings
        ``gpus`` says which of them workers use.
    test : bool
        Compute something on each of these.
    """
    found = gpus.found()
    try:
        driver = gpus.driver()
    except Unavailable as error:
        return [_no_driver(error), *_workers(settings, found, test=test)]
    suits = _suits(driver, found)
    return [
        Check("gpu driver", "ok", f"{driver.version}, for CUDA {_dotted(driver.cuda)} or older"),
        *(_gpu(gpu, settings) for gpu in found),
        *_packages(suits),
        *_workers(settings, found, test=test),
    ]


def _no_driver(error: Unavailable) -> Check:
    if not _KERNEL_MODULE.exists():
        return Check("gpu", "ok", f"none, the processor computes: {error.message}")
    # In a container the library is there only if it is asked for.
    advice = "see what nvidia-smi says; a container needs the driver capability utility"
    found = f"there is an NVIDIA driver, but {error.message}"
    return Check("gpu", "warn", found, str(error.accepted or advice))


def _gpu(gpu: Gpu, settings: Settings) -> Check:
    from core.conv import device

    name = f"gpu {gpu.index}"
    able = gpus.capability(gpu.uuid)
    told = [gpu.name, f"{gpu.memory / 2**30:.1f} GiB", gpu.uuid]
    if able is not None:
        told.insert(1, f"compute capability {_dotted(able)}")
    if (settings.cache_dir / "devices" / f"{device.key(device.gpu(gpu.name))}.json").exists():
        return Check(name, "ok", ", ".join(told))
    found = f"{', '.join(told)}; not measured: plans use the constants of another GPU"
    return Check(name, "warn", found, f"CUDA_VISIBLE_DEVICES={gpu.uuid} convq calibrate --gpu")


def _suits(driver: Driver, found: list[Gpu]) -> int:
    """Return the newest major version of CUDA that driver and GPUs can do with."""
    able = [gpus.capability(gpu.uuid) for gpu in found]
    old = any(one is not None and one < _OLDEST_OF_13 for one in able)
    return 12 if old or driver.cuda < (13, 0) else 13


def _packages(suits: int) -> list[Check]:
    """Look whether CuPy and what it loads are installed, for CUDA of this version or older."""
    install = f"pip install 'convq[gpu-cuda{suits}]'"
    wheels = {major: name for major, name in _WHEELS.items() if _version(name)}
    # One that was built here, or by another packager, has no number in its name.
    names = list(wheels.values()) or ([_PLAIN] if _version(_PLAIN) else [])
    if not names:
        return [Check("cupy", "warn", "not installed: nothing computes on a GPU", install)]
    listed = ", ".join(f"{name} {_version(name)}" for name in names)
    again = f"pip uninstall {' '.join(names)}; {install}"
    if len(names) > 1:
        return [Check("cupy", "warn", f"{listed}: they write over each other", again)]
    if any(major > suits for major in wheels):
        found = f"{listed}: the driver or a GPU is too old for it"
        return [Check("cupy", "warn", found, again)]
    major = next(iter(wheels), suits)
    return [Check("cupy", "ok", listed), _libraries(names[0]), _cudnn(major)]


def _libraries(cupy: str) -> Check:
    # CuPy's own way to find them.
    from cuda import pathfinder

    missing = []
    for name in _LIBRARIES:
        try:
            pathfinder.load_nvidia_dynamic_lib(name)
        except pathfinder.DynamicLibNotFoundError:
            missing.append(name)
    if pathfinder.find_nvidia_header_directory("cudart") is None:
        missing.append("headers of cudart")
    if missing:
        advice = f"pip install '{cupy}[ctk]', or install the CUDA Toolkit"
        return Check("cuda libraries", "warn", f"not found: {', '.join(missing)}", advice)
    return Check("cuda libraries", "ok", ", ".join(_LIBRARIES))


def _cudnn(major: int) -> Check:
    """Look for cuDNN; ``major`` is the version of CUDA that it must be built for."""
    from core.conv.cuda import cudnn

    frontend = _version(_FRONTEND)
    missing = cudnn.missing()
    if missing is None:
        return Check("cudnn", "ok", f"{_FRONTEND} {frontend}")
    found = f"{missing}: sums over channels use convq's own kernels"
    advice = f"pip install 'convq[cudnn-cuda{major}]'"
    # Who has installed a part of it wants it.
    return Check("cudnn", "ok" if frontend is None else "warn", found, advice)


def _workers(settings: Settings, found: list[Gpu], *, test: bool) -> list[Check]:
    """Look which GPUs workers use by the settings, and test these."""
    name = "gpu workers"
    try:
        chosen = devices.choose(settings.gpus, found, os.environ)
    except ConvqError as error:
        return [Check(name, "missing", str(error), needed=True)]
    if not chosen:
        return []
    listed = ", ".join(gpu.index for gpu in chosen)
    check = Check(name, "ok", f"one for each of {listed} (CONVQ_GPUS={settings.gpus})")
    return [check, *(_test(gpu, settings) for gpu in chosen if test)]


def _test(gpu: Gpu, settings: Settings) -> Check:
    name = f"test of gpu {gpu.index}"
    try:
        proven = prove_apart(
            environment=devices.for_cupy(settings) | os.environ | devices.environment(gpu)
        )
    except DeviceFailed as error:
        return Check(name, "missing", str(error), "nvidia-smi -q; dmesg | grep Xid", needed=True)
    return Check(name, "ok", f"a small convolution is right on {proven.device.name}")


def _dotted(numbers: tuple[int, int]) -> str:
    return ".".join(map(str, numbers))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
