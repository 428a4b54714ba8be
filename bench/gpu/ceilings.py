"""What this device can do at most: copies in its memory, to and from it, and multiply-adds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bench.gpu.timing import seconds_of

SUMS = 16
_COPIED = 1 << 30
_BROUGHT = 1 << 28
_TURNS, _BLOCKS = 20_000, 2048


def measure(cupy: Any) -> dict[str, float]:
    """Return bytes a second of a copy (read plus written) and of transfers, and multiply-adds.

    Examples
    --------
    >>> SUMS * _TURNS * _BLOCKS * 256 > 1e11
    True
    """
    source = cupy.ones(_COPIED // 4, "float32")
    target = cupy.empty_like(source)
    copied = seconds_of(cupy, lambda: cupy.copyto(target, source))
    kernel = cupy.RawModule(
        code=Path(__file__).with_name("ceilings.cu").read_text(),
        options=("--std=c++17", f"-DSUMS={SUMS}"),
    ).get_function("multiply_adds")
    sums = cupy.empty(_BLOCKS * 256, "float32")
    arguments = (sums, np.int64(_TURNS))
    computed = seconds_of(cupy, lambda: kernel((_BLOCKS, 1, 1), (256, 1, 1), arguments))
    host = cupy.cuda.alloc_pinned_memory(_BROUGHT)
    pinned = np.frombuffer(host, np.float32, _BROUGHT // 4)
    device = cupy.empty(_BROUGHT // 4, "float32")
    return {
        "copy": 2 * _COPIED / copied,
        "multiply_adds": SUMS * _TURNS * _BLOCKS * 256 / computed,
        "to_device": _BROUGHT / seconds_of(cupy, lambda: device.set(pinned)),
        "to_host": _BROUGHT / seconds_of(cupy, lambda: device.get(out=pinned)),
    }
