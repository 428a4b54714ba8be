"""Proves that the GPU of this process works: memory, compiler, kernel, copies, the right answer.

``python -m workers.proof`` prints what the GPU is, or why it cannot be used.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import numpy as np

from core.arrays import gpu_module, to_numpy
from core.conv import convolve
from core.conv.device import device_of
from workers.trial import DeviceFailed, Proven

_SIDE = 64
_LONGEST = 300


def prove() -> Proven:
    """Convolve a ramp, whose answer is known, on the GPU.

    After an error that has spoilt what the process has on its GPU every call fails, so this also
    tells whether the process can go on.

    Raises
    ------
    DeviceFailed
        It cannot be used, or the answer is wrong.
    """
    rows, columns = np.mgrid[:_SIDE, :_SIDE].astype(np.float32)
    try:
        cupy = gpu_module()
        ramp, box = cupy.asarray(rows + 2 * columns), cupy.ones((3, 3), cupy.float32)
        found = to_numpy(convolve(ramp, box, mode="valid", method="direct"))
        proven = Proven(device_of(ramp), int(cupy.cuda.runtime.memGetInfo()[1]))
    except Exception as error:  # whatever goes wrong says the same of the GPU
        raise DeviceFailed(_one_line(error)) from error
    # The mean of a ramp over a box is its value in the middle.
    expected = 9 * (rows + 2 * columns)[1:-1, 1:-1]
    if not np.array_equal(found, expected):
        wrong = int(np.sum(found != expected))
        raise DeviceFailed(f"{wrong} of {expected.size} results of a small convolution are wrong")
    return proven


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".replace("\n", " ")[:_LONGEST]


def main() -> None:
    """Print the GPU as JSON, or end with the reason why it cannot be used."""
    try:
        proven = prove()
    except DeviceFailed as error:
        sys.exit(str(error))
    json.dump(asdict(proven), sys.stdout)


if __name__ == "__main__":
    main()
