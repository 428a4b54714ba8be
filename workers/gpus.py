"""What NVIDIA's management library tells of the GPUs of this machine, where there is one."""

from __future__ import annotations

from functools import cache
from typing import Any


def read() -> list[dict[str, Any]]:
    """Return, for each GPU, how it fares now; nothing without a driver or the extra ``gpu-*``.

    Returns
    -------
    list of dict
        ``name``; ``utilisation``, the share of the last moment in which a kernel ran; ``memory``
        and ``memory_total`` in bytes; ``temperature`` in degrees Celsius and ``watts``. What a GPU
        does not tell is None.
    """
    library = _library()
    if library is None:
        return []
    found = []
    for index in range(library.nvmlDeviceGetCount()):
        handle = library.nvmlDeviceGetHandleByIndex(index)
        memory = _told(library, library.nvmlDeviceGetMemoryInfo, handle)
        rates = _told(library, library.nvmlDeviceGetUtilizationRates, handle)
        sensor = library.NVML_TEMPERATURE_GPU
        milliwatts = _told(library, library.nvmlDeviceGetPowerUsage, handle)
        found.append(
            {
                "name": library.nvmlDeviceGetName(handle),
                "utilisation": None if rates is None else rates.gpu / 100,
                "memory": None if memory is None else memory.used,
                "memory_total": None if memory is None else memory.total,
                "temperature": _told(library, library.nvmlDeviceGetTemperature, handle, sensor),
                "watts": None if milliwatts is None else milliwatts / 1000,
            }
        )
    return found


def _told(library: Any, ask: Any, *of: Any) -> Any:
    try:
        return ask(*of)
    except library.NVMLError:  # not every GPU tells everything
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
