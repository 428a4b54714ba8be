"""Graphs for the real cuDNN, planned for a device that is described: none is needed.

The library wants to load the driver, of which it calls nothing for that, and asks for the number of
the current device: both are made of a few lines here.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DRIVER = """
extern "C" {
int cuGetErrorString(...) { return 100; } int cuModuleGetFunction(...) { return 100; }
int cuModuleLoadData(...) { return 100; } int cuModuleUnload(...) { return 100; }
int cuTensorMapEncodeIm2col(...) { return 100; } int cuTensorMapEncodeTiled(...) { return 100; }
}
"""
RUNTIME = """
extern "C" {
int cudaGetDevice(int *device) { *device = 0; return 0; }
int cudaGetDeviceProperties(void *, int) { return 0; }
int cudaDeviceGetAttribute(int *value, int which, int) {
    *value = which == 75 ? 9 : which == 16 ? 132 : 0;
    return 0;
}
const char *cudaGetErrorString(int) { return ""; }
}
"""
# An H100 as cuDNN 9 describes devices.
DEVICE = {
    "deviceName": "NVIDIA H100 80GB HBM3", "deviceVer": 900, "driverVer": 13000, "cudaDeviceId": 0,
    "multiProcessorCount": 132, "smCountOrigin": 0, "warpSize": 32, "regsPerBlock": 65536,
    "maxRegistersPerSM": 65536, "maxThreadsPerBlock": 1024, "maxThreadsPerSM": 2048,
    "maxCtasPerSM": 32, "maxBlockSize": [1024, 1024, 64], "maxGridSize": [2147483647, 65535, 65535],
    "maxSharedMemoryPerBlock": 49152, "maxSharedMemoryPerBlockOptin": 232448,
    "reservedSharedMemoryPerBlock": 1024, "oversizedSharedMemoryPerBlock": 0,
    "totalGlobalMem": 85000000000, "l2CacheSize": 52428800, "memoryBusWidth": 5120,
    "memClockRateKHz": 2619000, "smClockRateKHz": 1980000, "supportCoopLaunch": 1,
    "isTccDriver": 0, "pciDeviceId": 0,
}  # fmt: skip
SCRIPT = """
import sys
import cudnn
from dataclasses import replace
from core.conv.cuda.cudnn import graph_of, operation_of
from core.conv.problem import multi_channel_problem

device = cudnn.create_device_properties(sys.argv[1])
layers = [
    ((2, 4, 16, 16), (8, 4, 3, 3), {"padding": 1}),
    ((2, 64, 56, 56), (64, 64, 3, 3), {"stride": 2, "dilation": (2, 1)}),
    ((2, 64, 56, 56), (64, 16, 3, 3), {"groups": 4}),
    ((2, 64, 56, 56), (64, 1, 5, 5), {"groups": 64, "padding": 2}),
    ((2, 3, 40, 41), (5, 3, 31, 31), {"padding": 15}),
    ((2, 64, 6400), (64, 64, 255), {}),
    ((1, 8, 20, 20, 20), (8, 8, 3, 3, 3), {"padding": (0, 1, 2)}),
]
count = 0
for x, w, options in layers:
    form = multi_channel_problem(x, w, "float32", "float32", **options).normal
    # Windows that are not centred have other zeros before than after.
    uneven = replace(form, start=tuple(s + 1 for s in form.start))
    for each in (form, uneven):
        for what in ("output", "input gradient", "kernel gradient"):
            for number, rounds in (
                ("float16", False), ("float32", False), ("float32", True), ("float64", False),
            ):
                operation, _ = operation_of(each, what, number, rounds=rounds)
                for last in (False, True):
                    operation = replace(operation, channels_last=last)
                    found = graph_of(operation, device_property=device)
                    assert found.workspace >= 0
                    count += 1
print(count)
"""


def test_it_has_a_kernel_for_every_operation(tmp_path: Path) -> None:
    if importlib.util.find_spec("cudnn") is None or shutil.which("g++") is None:
        pytest.skip("nvidia-cudnn-frontend or g++ is not installed")
    for name, source in (("libcuda.so.1", DRIVER), ("libcudart.so.12", RUNTIME)):
        command = ["g++", "-shared", "-fPIC", "-w", "-x", "c++", "-", "-o", str(tmp_path / name)]
        subprocess.run(command, input=source, text=True, check=True)
    path = os.pathsep.join([str(tmp_path), os.environ.get("LD_LIBRARY_PATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(DEVICE)],
        env=os.environ | {"LD_LIBRARY_PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split()[-1] == str(7 * 2 * 3 * 4 * 2)
