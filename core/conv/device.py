"""What a device costs: few constants, measured, in seconds and bytes."""

from __future__ import annotations

import json
import math
import platform
import re
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import scipy

from core.arrays import Array, array_module, is_on_gpu
from core.conv.blocks import cores
from core.conv.cuda import cudnn
from core.errors import IntegrityError, InvalidInput
from core.settings import Settings


@dataclass(frozen=True)
class Device:
    """A device and its measured constants. All of its cores together count as one.

    Parameters
    ----------
    kind : {"cpu", "gpu"}
        Where the arrays live.
    name : str
        The processor's own name and the number of cores used.
    workers : int
        Blocks that are computed at a time.
    call : float
        Seconds that one array operation takes beyond its arithmetic.
    copy : float
        Seconds per byte that is copied.
    multiply_add : dict of str to float
        Seconds per multiply-add of an array by a number, in the cache, per accumulator dtype.
    gemm : dict of str to float
        Seconds per multiply-add of a matrix product, per accumulator dtype.
    fft : dict of str to float
        Seconds per ``n log2 n`` of a real transform of ``n`` points, per dtype (complex ones
        take twice as long).
    direct : dict of str to float
        Seconds per real multiply-add of a generated kernel at its best, per real dtype.
    fft_tile : dict of str to float
        Seconds per ``n log2 n`` that one core takes to transform a complex tile of ``n`` points
        with a generated kernel, multiply it and transform it back, per dtype of its parts; of a
        GPU, which its blocks of threads take together.
    shared : int
        Bytes of fast memory that a block of threads may have; none on a processor.
    to_device, to_host : float
        Seconds per byte that is brought from an array of the host to the device, and back, by way
        of pinned memory; none on a processor.
    tensor : dict of str to float
        Seconds per multiply-add of tensor cores, per precision of what they multiply; empty where
        there are none.
    cudnn : dict of str to float
        Seconds per multiply-add of cuDNN, per dtype or precision of what is multiplied; empty where
        it is not installed.

    Examples
    --------
    >>> cpu().kind
    'cpu'
    """

    kind: Literal["cpu", "gpu"]
    name: str
    workers: int
    call: float
    copy: float
    multiply_add: dict[str, float] = field(hash=False)
    gemm: dict[str, float] = field(hash=False)
    fft: dict[str, float] = field(hash=False)
    direct: dict[str, float] = field(hash=False)
    fft_tile: dict[str, float] = field(hash=False)
    shared: int = 0
    to_device: float = 0.0
    to_host: float = 0.0
    tensor: dict[str, float] = field(default_factory=dict, hash=False)
    cudnn: dict[str, float] = field(default_factory=dict, hash=False)

    def products(self, precision: str) -> str:
        """Return what is multiplied in place of float32 numbers, where ``precision`` allows it.

        Examples
        --------
        >>> cpu().products("tf32"), gpu("a device", capability=(9, 0)).products("tf32")
        ('float32', 'tf32')
        """
        return precision if precision in self.tensor else "float32"

    def fft_seconds(self, shape: tuple[int, ...], dtype: str) -> float:
        """Return the seconds of one transform of ``shape`` with accumulator ``dtype``."""
        real = "float32" if dtype in ("float32", "complex64") else "float64"
        factor = 2 if dtype.startswith("complex") else 1
        # A line that leaves the cache takes about twice as long for each of its points.
        lines = sum(math.log2(max(n, 2)) * (2 if n > _LONG_LINE else 1) for n in shape)
        return factor * self.fft[real] * math.prod(shape) * lines


_LONG_LINE = 1 << 18

# Measured with NumPy 2.4 and SciPy 1.17 on two cores of an AMD EPYC (Zen 5, 2.6 GHz).
_CPU = {
    "call": 1.2e-6,
    "copy": 5e-11,
    "multiply_add": {
        "float32": 1.7e-10,
        "float64": 2.7e-10,
        "complex64": 3e-10,
        "complex128": 5.5e-10,
        "int64": 2.9e-10,
        "object": 6e-8,
    },
    "gemm": {
        "float32": 5e-12,
        "float64": 1e-11,
        "complex64": 2.5e-11,
        "complex128": 5e-11,
        "int64": 8e-10,
        "object": 6e-8,
    },
    "fft": {"float32": 9e-11, "float64": 1.5e-10},
    "direct": {"float32": 4e-12, "float64": 8e-12, "int64": 3e-11},
    "fft_tile": {"float32": 6.9e-11, "float64": 1.35e-10},
}

# Not measured: rough figures of a data-centre GPU, so that plans have the right order.
_GPU = {
    "call": 1e-5,
    "copy": 7e-13,
    "multiply_add": {
        "float32": 1.5e-12,
        "float64": 3e-12,
        "complex64": 3e-12,
        "complex128": 6e-12,
        "int64": 3e-12,
        "object": float("inf"),
    },
    "gemm": {
        "float32": 4e-14,
        "float64": 8e-14,
        "complex64": 2e-13,
        "complex128": 4e-13,
        "int64": 1e-12,
        "object": float("inf"),
    },
    "fft": {"float32": 5e-13, "float64": 1e-12},
    "direct": {"float32": 6e-14, "float64": 1.2e-13, "int64": 1e-12},
    "fft_tile": {"float32": 8e-13, "float64": 2e-12},
    # One byte is copied to pinned memory before it is sent; one that comes back stays there.
    "to_device": 1e-10,
    "to_host": 4e-11,
}

# Not measured either, for the same GPU: from its float32 constant by the ratios of the data sheet
# of an H100 SXM without sparsity (TFLOP/s: float32 67, tf32 495, bfloat16 and float16 989).
_TENSOR = {"tf32": 8e-15, "bfloat16": 4e-15, "float16": 4e-15}
# The first compute capability whose tensor cores multiply all three.
_HAS_TENSOR = (8, 0)

# Nor this: cuDNN is taken to be as fast as a kernel of convq's at its best, or as tensor cores are.
_CUDNN = {"float32": 6e-14, "float64": 1.2e-13, "tf32": 8e-15, "float16": 4e-15}

# What blocks of every GPU have without being asked.
_SHARED = 48 << 10


@cache
def cpu() -> Device:
    """Return this machine's processor, with calibrated constants where they were measured."""
    return _calibrated(Device("cpu", f"{_processor()}, {cores()} cores", cores(), **_CPU))  # type: ignore[arg-type]


def device_of(x: Array) -> Device:
    """Return the device that ``x`` lives on.

    Raises
    ------
    InvalidInput
        It is a GPU, and not CuPy's current one, to which kernels are sent and results belong.
    """
    if not is_on_gpu(x):
        return cpu()
    cupy, number = array_module(x), x.device.id
    if number != (current := cupy.cuda.Device().id):
        raise InvalidInput(
            "an array lies on another device than CuPy's current one",
            field="device",
            given=number,
            accepted=f"arrays of device {current}, or to compute within `with x.device:`",
        )
    return _gpu(cupy, number)


@cache
def _gpu(cupy: Any, number: int) -> Device:
    properties = cupy.cuda.runtime.getDeviceProperties(number)
    capability = properties["major"], properties["minor"]
    name, shared = properties["name"].decode(), properties["sharedMemPerBlockOptin"]
    return gpu(name, shared, capability, has_cudnn=cudnn.missing() is None)


@cache
def gpu(
    name: str,
    shared: int = _SHARED,
    capability: tuple[int, int] = (0, 0),
    *,
    has_cudnn: bool = False,
) -> Device:
    """Return the GPU called ``name``, with calibrated constants where they were measured.

    Parameters
    ----------
    name : str
        As the driver calls it.
    shared : int
        Bytes of fast memory that a block of threads may have.
    capability : tuple of int
        Its compute capability; where it is not known, none is counted on.
    has_cudnn : bool
        Whether cuDNN is installed with it.
    """
    tensor = _TENSOR if capability >= _HAS_TENSOR else {}
    device = Device("gpu", name, 1, **_GPU, shared=shared, tensor=tensor)  # type: ignore[arg-type]
    device = _calibrated(device)
    # It may have come or gone since it was measured.
    return replace(device, cudnn=(device.cudnn or _CUDNN) if has_cudnn else {})


def told(about: Mapping[str, Any]) -> Device:
    """Return the device that another process tells of, whose convq may be a later one.

    Parameters
    ----------
    about : mapping
        The fields of a `Device`; what is not known here is left out.

    Examples
    --------
    >>> from dataclasses import asdict
    >>> told(asdict(cpu()) | {"qubits": 7}) == cpu()
    True
    """
    known = {each.name for each in fields(Device)}
    return Device(**{name: value for name, value in about.items() if name in known})


def save(device: Device) -> Path:
    """Store the constants of ``device``; planning uses them from now on.

    Returns
    -------
    Path
        A JSON file in ``Settings().cache_dir``, named by `key`.
    """
    path = _path(device)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(asdict(device), indent=2))
    temporary.replace(path)
    for known in (cpu, gpu, _gpu):
        known.cache_clear()
    return path


def _calibrated(device: Device) -> Device:
    path = _path(device)
    if not path.exists():
        return device
    try:
        stored: dict[str, Any] = json.loads(path.read_text())
        # Constants that the file is too old to have are those that were not measured.
        later = [
            each.name
            for each in fields(Device)
            if (each.default, each.default_factory) != (MISSING, MISSING)
        ]
        return Device(**({name: getattr(device, name) for name in later} | stored))
    except (ValueError, TypeError):
        raise IntegrityError(
            "the stored device constants are damaged",
            field="cache_dir",
            given=str(path),
            accepted="delete it, and run convq calibrate to measure again",
        ) from None


def key(device: Device) -> str:
    """Return the name under which what is measured on ``device`` is stored.

    It changes with the versions of convq, NumPy and SciPy, since each has other speeds.

    Examples
    --------
    >>> key(cpu()).startswith("cpu-")
    True
    """
    slug = re.sub(r"[^a-z0-9]+", "-", device.name.lower()).strip("-")
    versions = f"convq-{version('convq')}-numpy-{np.__version__}-scipy-{scipy.__version__}"
    return f"{device.kind}-{slug}-{versions}"


def _path(device: Device) -> Path:
    return Settings().cache_dir / "devices" / f"{key(device)}.json"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()
