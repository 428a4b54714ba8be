"""What NVIDIA's management library tells of the GPUs of this machine, where there is one."""

from __future__ import annotations

from functools import cache
from typing import Any

_SILENT = "a GPU that does not answer"


def read() -> list[dict[str, Any]]:
    """Return, for each GPU, how it fares now; nothing without a driver or the extra ``gpu-*``.

    Returns
    -------
    list of dict
        ``name``; ``utilisation``, the share of the last moment in which a kernel ran; ``memory``
        and ``memory_total`` in bytes; ``temperature`` in degrees Celsius and ``watts``. What a GPU
        does not tell is None; one that has failed tells nothing.
    """
    library = _library()
    if library is None:
        return []
    found = []
    for index in range(_told(library, library.nvmlDeviceGetCount) or 0):
        handle = _told(library, library.nvmlDeviceGetHandleByIndex, index)
        memory = _told(library, library.nvmlDeviceGetMemoryInfo, handle)
        rates = _told(library, library.nvmlDeviceGetUtilizationRates, handle)
        sensor = library.NVML_TEMPERATURE_GPU
        milliwatts = _told(library, library.nvmlDeviceGetPowerUsage, handle)
        found.append(
            {
                "name": _told(library, library.nvmlDeviceGetName, handle) or _SILENT,
                "utilisation": None if rates is None else rates.gpu / 100,
                "memory": None if memory is None else memory.used,
                "memory_total": None if memory is None else memory.total,
                "temperature": _told(library, library.nvmlDeviceGetTemperature, handle, sensor),
                "watts": None if milliwatts is None else milliwatts / 1000,
            }
        )
    return found


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
        import pynvml
    except ModuleNotFoundError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:  # there is no driver
        return None
    return pynvml
