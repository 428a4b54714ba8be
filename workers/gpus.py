"""What NVIDIA's management library tells of the GPUs of this machine, where there is one.

It is asked without CUDA, so a worker's parent may ask it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from typing import Any

from core.errors import Unavailable

log = logging.getLogger(__name__)

_SILENT = "a GPU that does not answer"


@dataclass(frozen=True)
class Gpu:
    """A GPU, or a slice of one that is divided (MIG).

    Attributes
    ----------
    index : str
        Its number, as ``nvidia-smi`` counts; of a slice that of the GPU, a colon, and its own.
    uuid : str
        ``GPU-…`` or ``MIG-…``, as ``nvidia-smi -L`` lists them.
    name : str
        The product.
    memory : int
        Bytes.
    """

    index: str
    uuid: str
    name: str
    memory: int


@dataclass(frozen=True)
class Driver:
    """NVIDIA's driver.

    Attributes
    ----------
    version : str
        Its own.
    cuda : tuple of int
        The newest CUDA that it can run, major and minor.
    """

    version: str
    cuda: tuple[int, int]


def driver() -> Driver:
    """Return the driver of this machine.

    Raises
    ------
    Unavailable
        None answers, or what asks it is not installed.
    """
    library = _opened()
    # 13020 is 13.2.
    cuda = _told(library, library.nvmlSystemGetCudaDriverVersion_v2)
    version = _told(library, library.nvmlSystemGetDriverVersion)
    if cuda is None or version is None:
        raise Unavailable("the NVIDIA driver does not tell its version", field="gpu")
    return Driver(version, (cuda // 1000, cuda % 1000 // 10))


def found() -> list[Gpu]:
    """Return the GPUs that answer, and in place of one that is divided its slices.

    Returns
    -------
    list of Gpu
        None without a driver or the extra ``gpu-*``.
    """
    library = _library()
    if library is None:
        return []
    gpus = []
    for number in range(_told(library, library.nvmlDeviceGetCount) or 0):
        handle = _told(library, library.nvmlDeviceGetHandleByIndex, number)
        mode = _told(library, library.nvmlDeviceGetMigMode, handle)
        if mode is not None and mode[0] == library.NVML_DEVICE_MIG_ENABLE:
            most = _told(library, library.nvmlDeviceGetMaxMigDeviceCount, handle) or 0
            for slice_ in range(most):
                # Not every place has a slice.
                part = _told(library, library.nvmlDeviceGetMigDeviceHandleByIndex, handle, slice_)
                gpus.append(_about(library, part, f"{number}:{slice_}"))
        else:
            gpus.append(_about(library, handle, str(number)))
    return [gpu for gpu in gpus if gpu is not None]


def read(uuid: str) -> dict[str, Any]:
    """Return how a GPU fares now.

    Parameters
    ----------
    uuid : str
        Of a `Gpu`.

    Returns
    -------
    dict
        ``name``; ``utilisation``, the share of the last moment in which a kernel ran; ``memory``
        and ``memory_total`` in bytes; ``temperature`` in degrees Celsius and ``watts``. What a GPU
        does not tell is None (a slice tells of its memory only); one that has failed tells nothing.
    """
    library, handle = _found(uuid)
    if handle is None:
        told = ("utilisation", "memory", "memory_total", "temperature", "watts")
        return {"name": _SILENT} | dict.fromkeys(told)
    memory = _told(library, library.nvmlDeviceGetMemoryInfo, handle)
    rates = _told(library, library.nvmlDeviceGetUtilizationRates, handle)
    sensor = library.NVML_TEMPERATURE_GPU
    milliwatts = _told(library, library.nvmlDeviceGetPowerUsage, handle)
    return {
        "name": _told(library, library.nvmlDeviceGetName, handle) or _SILENT,
        "utilisation": None if rates is None else rates.gpu / 100,
        "memory": None if memory is None else memory.used,
        "memory_total": None if memory is None else memory.total,
        "temperature": _told(library, library.nvmlDeviceGetTemperature, handle, sensor),
        "watts": None if milliwatts is None else milliwatts / 1000,
    }


def capability(uuid: str) -> tuple[int, int] | None:
    """Return the compute capability of a GPU, which says what can be compiled for it.

    Parameters
    ----------
    uuid : str
        Of a `Gpu`.

    Returns
    -------
    tuple of int or None
        Major and minor; None where it is not told.
    """
    library, handle = _found(uuid)
    if handle is None:
        return None
    told = _told(library, library.nvmlDeviceGetCudaComputeCapability, handle)
    return None if told is None else tuple(told)


class Alarm:
    """What the driver complains about one GPU.

    Parameters
    ----------
    uuid : str
        Of a `Gpu`.
    """

    def __init__(self, uuid: str) -> None:
        self._uuid = uuid
        self._events: Any = None
        library = _library()
        if library is None:
            return
        try:
            handle = library.nvmlDeviceGetHandleByUUID(uuid)
            if uuid.startswith("MIG-"):
                handle = library.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle)
            events = library.nvmlEventSetCreate()
            library.nvmlDeviceRegisterEvents(handle, library.nvmlEventTypeXidCriticalError, events)
            self._events = events
        except library.NVMLError as error:
            log.warning("the driver tells of no errors of %s (XID): %s", uuid, error)

    def read(self) -> str | None:
        """Return what has happened since the last look, None if nothing did.

        A GPU that is divided complains of its slices together; a test tells which of them it is.
        """
        library = _library()
        if library is None:
            return None
        try:
            library.nvmlDeviceGetHandleByUUID(self._uuid)
        except library.NVMLError as error:
            return f"the driver does not find it: {error}"
        if self._events is None:
            return None
        try:
            event = library.nvmlEventSetWait_v2(self._events, 0)
        except library.NVMLError_Timeout:
            return None
        except library.NVMLError as error:
            # Where it cannot tell, asking again and again would keep the GPU from work.
            self._events = None
            return f"the driver tells of its errors no more: {error}"
        return f"the driver tells of an error, XID {event.eventData}"


def _about(library: Any, handle: Any, index: str) -> Gpu | None:
    uuid = _told(library, library.nvmlDeviceGetUUID, handle)
    memory = _told(library, library.nvmlDeviceGetMemoryInfo, handle)
    if uuid is None or memory is None:
        return None
    name = _told(library, library.nvmlDeviceGetName, handle) or _SILENT
    return Gpu(index, uuid, name, memory.total)


def _found(uuid: str) -> tuple[Any, Any]:
    # What asks the driver, and the GPU as the driver calls it; None where it does not answer.
    library = _library()
    ask = None if library is None else library.nvmlDeviceGetHandleByUUID
    return library, None if ask is None else _told(library, ask, uuid)


def _told(library: Any, ask: Any, *of: Any) -> Any:
    # Not every GPU tells everything, and one that has failed not even which it is.
    if None in of:
        return None
    try:
        return ask(*of)
    except library.NVMLError:
        return None


@cache
def _library() -> Any:
    try:
        return _opened()
    except Unavailable:
        return None


def _opened() -> Any:
    try:
        import pynvml
    except ModuleNotFoundError:
        raise Unavailable(
            "nvidia-ml-py is not installed, so GPUs are not found",
            field="gpu",
            accepted="pip install nvidia-ml-py",
        ) from None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise Unavailable(f"no NVIDIA driver answers: {error}", field="gpu") from None
    return pynvml
