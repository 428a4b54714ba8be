"""FFT convolution in overlapping tiles (overlap-save), as large as costs least.

Generated kernels transform the tiles where there are any for the problem (`core.conv.codegen`, and
`core.conv.cuda` on GPUs), SciPy or cuFFT otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from core.arrays import Array
from core.conv import codegen, overlap_save
from core.conv.algorithm import Algorithm, Cost
from core.conv.blocks import Check, workers_for
from core.conv.cuda import fft as cuda
from core.conv.device import Device, cpu, device_of
from core.conv.normal import NormalForm
from core.conv.overlap_save import Tiling

# Tiles of 2**6 to 2**20 points: below, calls dominate; above, a tile leaves every cache.
_POINTS = tuple(1 << e for e in range(6, 21))


def refuses(form: NormalForm) -> str | None:
    """Refuse kernels beyond every tile, and integers that could be rounded wrongly."""
    tilings = _tilings(form)
    if not tilings:
        return f"the kernel does not fit a tile of {_POINTS[-1]} points"
    return overlap_save.inexact(form, tilings[-1])


def cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    """Return the cost of the cheapest tiles that the cap allows."""
    return _choose(form, device, memory_cap)[1]


def error_bound(form: NormalForm) -> float:
    """See `core.conv.overlap_save.error_bound`; the largest tile of all devices has the largest."""
    every = (_tilings(form), _generated(form, cpu()), cuda.tilings(form))
    largest = [tilings[-1] for tilings in every if tilings]
    return max(overlap_save.error_bound(form, how) for how in largest)


def run(
    form: NormalForm, x: Array, w: Array, out: Array, *, check: Check, memory_cap: int | None
) -> None:
    """Transform tile by tile; see `core.conv.algorithm.Run`."""
    device = device_of(x)
    how, _ = _choose(form, device, memory_cap)
    if not _generated(form, device):
        overlap_save.run(form, x, w, out, how, check=check, workers=workers_for(x))
    elif device.kind == "gpu":
        cuda.run(form, x, w, out, how, check=check)
    else:
        from core.conv.codegen import fft

        fft.run(form, x, w, out, how, device, check=check, memory_cap=memory_cap)


@lru_cache(maxsize=1024)
def _tilings(form: NormalForm) -> list[Tiling]:
    found = (overlap_save.tiling(form, points) for points in _POINTS)
    return list(dict.fromkeys(how for how in found if how is not None))


def _generated(form: NormalForm, device: Device) -> Sequence[Tiling]:
    # What generated kernels take, none where there are none for the problem.
    if device.kind == "gpu":
        return cuda.tilings(form, device.shared)
    if not codegen.available():
        return ()
    from core.conv.codegen import fft

    return fft.tilings(form)


def _cost_of(form: NormalForm, device: Device, how: Tiling) -> Cost:
    if not _generated(form, device):
        return overlap_save.cost(form, device, how, device.workers)
    if device.kind == "gpu":
        return cuda.cost(form, device, how)
    from core.conv.codegen import fft

    return fft.cost(form, device, how)


@lru_cache(maxsize=1024)
def _choose(form: NormalForm, device: Device, memory_cap: int | None) -> tuple[Tiling, Cost]:
    every = _generated(form, device) or _tilings(form)
    costs = [(how, _cost_of(form, device, how)) for how in every]
    fitting = [c for c in costs if memory_cap is None or c[1].bytes <= memory_cap]
    # What takes the least memory stands even where it exceeds the cap: the plan then refuses it.
    if not fitting:
        return min(costs, key=lambda c: c[1].bytes)
    return min(fitting, key=lambda c: c[1].seconds)


def carries_nonfinite(form: NormalForm, device: Device) -> tuple[Literal["x", "w"], ...]:
    """Return nothing, since a transform spreads NaN; but a GPU's kernel looks for itself."""
    return ("x", "w") if device.kind == "gpu" and cuda.tilings(form, device.shared) else ()


ALGORITHM = Algorithm(
    name="fft-tiled",
    summary="FFT in overlapping tiles (overlap-save)",
    refuses=refuses,
    cost=cost,
    error_bound=error_bound,
    run=run,
    carries_nonfinite=carries_nonfinite,
    rounds=lambda form, device: device.kind == "gpu" and bool(_generated(form, device)),
)
