"""FFT convolution in overlapping tiles (overlap-save), as large as costs least.

Generated kernels transform the tiles where there are any for the problem, SciPy otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from core.arrays import Array
from core.conv import codegen, overlap_save
from core.conv.algorithm import Algorithm, Cost
from core.conv.blocks import Check, workers_for
from core.conv.device import Device, device_of
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
    """See `core.conv.overlap_save.error_bound`; the largest tile has the largest bound."""
    largest = [tilings[-1] for tilings in (_tilings(form), _generated(form)) if tilings]
    return max(overlap_save.error_bound(form, how) for how in largest)


def run(
    form: NormalForm, x: Array, w: Array, out: Array, *, check: Check, memory_cap: int | None
) -> None:
    """Transform tile by tile; see `core.conv.algorithm.Run`."""
    device = device_of(x)
    how, _ = _choose(form, device, memory_cap)
    if _is_generated(form, device):
        from core.conv.codegen import fft

        fft.run(form, x, w, out, how, device, check=check, memory_cap=memory_cap)
    else:
        overlap_save.run(form, x, w, out, how, check=check, workers=workers_for(x))


@lru_cache(maxsize=1024)
def _tilings(form: NormalForm) -> list[Tiling]:
    found = (overlap_save.tiling(form, points) for points in _POINTS)
    return list(dict.fromkeys(how for how in found if how is not None))


def _generated(form: NormalForm) -> Sequence[Tiling]:
    if not codegen.available():
        return ()
    from core.conv.codegen import fft

    return fft.tilings(form)


def _is_generated(form: NormalForm, device: Device) -> bool:
    return device.kind == "cpu" and bool(_generated(form))


@lru_cache(maxsize=1024)
def _choose(form: NormalForm, device: Device, memory_cap: int | None) -> tuple[Tiling, Cost]:
    if _is_generated(form, device):
        from core.conv.codegen import fft

        costs = [(how, fft.cost(form, device, how)) for how in fft.tilings(form)]
    else:
        costs = [
            (how, overlap_save.cost(form, device, how, device.workers)) for how in _tilings(form)
        ]
    fitting = [c for c in costs if memory_cap is None or c[1].bytes <= memory_cap]
    # What takes the least memory stands even where it exceeds the cap: the plan then refuses it.
    if not fitting:
        return min(costs, key=lambda c: c[1].bytes)
    return min(fitting, key=lambda c: c[1].seconds)


ALGORITHM = Algorithm(
    name="fft-tiled",
    summary="FFT in overlapping tiles (overlap-save)",
    refuses=refuses,
    cost=cost,
    error_bound=error_bound,
    run=run,
    carries_nonfinite=lambda form: (),
)
