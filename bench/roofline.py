"""What this machine can do at most: multiply-adds in registers, and moves between arrays."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from core.conv.blocks import cores
from core.conv.codegen import calls
from core.conv.codegen.emit import Emitter
from core.conv.codegen.library import load
from core.conv.codegen.target import Target, host

# Enough sums that none waits for the one before, as few as every processor has registers for.
_SUMS = 12
_TURNS = 200_000
_COPIED = 1 << 26


@dataclass(frozen=True)
class Roofline:
    """Rates of all cores together.

    Attributes
    ----------
    multiply_adds : float
        Of float32, per second.
    bytes : float
        Read plus written, per second, when an array that no cache holds is copied.
    """

    multiply_adds: float
    bytes: float


@cache
def measure() -> Roofline:
    """Measure both, once."""
    kernel = load(partial(source, host()), "multiply_adds", ("pointer", "integer"))
    lanes = host().lanes(4)
    results = np.zeros((cores(), 64 * lanes), np.float32)
    table = calls.table((kernel, (row.ctypes.data, _TURNS)) for row in results)
    seconds = min(_timed(lambda: calls.run(table)) for _ in range(20))
    source_array = np.ones(_COPIED // 4, np.float32)
    target = np.empty_like(source_array)
    copied = min(_timed(lambda: np.copyto(target, source_array)) for _ in range(10))
    return Roofline(cores() * _TURNS * _SUMS * lanes / seconds, 2 * _COPIED / copied)


def source(target: Target) -> str:
    """Return the IR of a kernel that does nothing but multiply and add.

    Its arguments are where to leave the sums, and how many turns of `_SUMS` to make.
    """
    code = Emitter(target, "multiply_adds", ("pointer", "integer"))
    out, turns = code.arguments
    lanes = target.lanes(4)
    factor = code.load(out, "float32", lanes)
    sums = [code.load(out, "float32", lanes, i * lanes) for i in range(_SUMS)]
    with code.loop(0, turns, carried=sums):
        sums[:] = [code.fma(factor, each, factor) for each in sums]
    for i, each in enumerate(sums):
        code.store(each, out, i * lanes)
    return code.finish()


def _timed(call: Callable[[], None]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
