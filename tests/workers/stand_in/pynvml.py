"""A stand-in for NVIDIA's management library: GPUs that a folder describes.

The folder is named by ``STAND_IN_GPUS``. ``gpus.json`` lists them, each with ``uuid``, ``name`` and
``memory``, ``capability`` if it is not 9.0, and ``slices`` of the same if it is divided. A file
``lost-UUID`` makes one be lost, and ``xid-UUID`` holds the number of an error that is told once.
"""

# ruff: noqa: N802, N816 - the names are NVIDIA's

import json
import os
from pathlib import Path
from types import SimpleNamespace

NVML_DEVICE_MIG_ENABLE = 1
NVML_TEMPERATURE_GPU = 0
nvmlEventTypeXidCriticalError = 8


class NVMLError(Exception):
    pass


class NVMLError_Timeout(NVMLError):  # noqa: N801
    pass


def _folder():
    return Path(os.environ["STAND_IN_GPUS"])


def _gpus():
    return json.loads((_folder() / "gpus.json").read_text())


def _check(uuid):
    if (_folder() / f"lost-{uuid}").exists():
        raise NVMLError("GPU is lost")


def nvmlInit():
    if "STAND_IN_GPUS" not in os.environ:
        raise NVMLError("Driver Not Loaded")


def nvmlSystemGetDriverVersion():
    return "580.95.05"


def nvmlSystemGetCudaDriverVersion_v2():
    return 13000


def nvmlDeviceGetCount():
    return len(_gpus())


def nvmlDeviceGetHandleByIndex(index):
    gpu = _gpus()[index]
    _check(gpu["uuid"])
    return gpu


def nvmlDeviceGetHandleByUUID(uuid):
    _check(uuid)
    for gpu in _gpus():
        for one in (gpu, *gpu.get("slices", ())):
            if one["uuid"] == uuid:
                return one
    raise NVMLError("Not Found")


def nvmlDeviceGetMigMode(gpu):
    if "slices" not in gpu:
        raise NVMLError("Not Supported")
    return [NVML_DEVICE_MIG_ENABLE, NVML_DEVICE_MIG_ENABLE]


def nvmlDeviceGetMaxMigDeviceCount(gpu):
    return 7


def nvmlDeviceGetMigDeviceHandleByIndex(gpu, index):
    if index >= len(gpu["slices"]):
        raise NVMLError("Not Found")
    return gpu["slices"][index]


def nvmlDeviceGetDeviceHandleFromMigDeviceHandle(part):
    return next(gpu for gpu in _gpus() if part in gpu.get("slices", ()))


def nvmlDeviceGetUUID(gpu):
    return gpu["uuid"]


def nvmlDeviceGetName(gpu):
    return gpu["name"]


def nvmlDeviceGetMemoryInfo(gpu):
    return SimpleNamespace(used=7, total=gpu["memory"])


def nvmlDeviceGetCudaComputeCapability(gpu):
    return tuple(gpu.get("capability", (9, 0)))


def _of_whole(gpu, value):
    if gpu["uuid"].startswith("MIG-"):
        raise NVMLError("Not Supported")
    return value


def nvmlDeviceGetUtilizationRates(gpu):
    return SimpleNamespace(gpu=_of_whole(gpu, 25))


def nvmlDeviceGetTemperature(gpu, sensor):
    return _of_whole(gpu, 61 + sensor)


def nvmlDeviceGetPowerUsage(gpu):
    return _of_whole(gpu, 70_500)


def nvmlEventSetCreate():
    return []


def nvmlDeviceRegisterEvents(gpu, types, events):
    assert types == nvmlEventTypeXidCriticalError
    events.append(gpu["uuid"])


def nvmlEventSetWait_v2(events, milliseconds):
    assert milliseconds == 0
    for uuid in events:
        told = _folder() / f"xid-{uuid}"
        if told.exists():
            number = int(told.read_text())
            told.unlink()
            return SimpleNamespace(eventData=number)
    raise NVMLError_Timeout
