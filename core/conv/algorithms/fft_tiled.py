"""FFT convolution in overlapping tiles (overlap-save), as large as costs least."""

from __future__ import annotations

from functools import lru_cache

from core.arrays import Array
from core.conv import overlap_save
from core.conv.algorithm import Algorithm, Cost
from core.conv.blocks import Check, workers_for
from core.conv.device import Device, device_of
from core.conv.normal import NormalForm

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
    return overlap_save.cost(form, device, _choose(form, device, memory_cap), device.workers)


def error_bound(form: NormalForm) -> float:
    """See `core.conv.overlap_save.error_bound`; the largest tile has the largest bound."""
    return overlap_save.error_bound(form, _tilings(form)[-1])


def run(
    form: NormalForm, x: Array, w: Array, out: Array, *, check: Check, memory_cap: int | None
) -> None:
    """Transform tile by tile; see `core.conv.algorithm.Run`."""
    how = _choose(form, device_of(x), memory_cap)
    overlap_save.run(form, x, w, out, how, check=check, workers=workers_for(x))


@lru_cache(maxsize=1024)
def _tilings(form: NormalForm) -> list[overlap_save.Tiling]:
    found = (overlap_save.tiling(form, points) for points in _POINTS)
    return list(dict.fromkeys(how for how in found if how is not None))


@lru_cache(maxsize=1024)
def _choose(form: NormalForm, device: Device, memory_cap: int | None) -> overlap_save.Tiling:
    # The smallest tiling stands even where it exceeds the cap: the plan then refuses it.
    tilings = _tilings(form)
    costs = [(overlap_save.cost(form, device, how, device.workers), how) for how in tilings]
    fitting = [
        (c.seconds, i)
        for i, (c, _) in enumerate(costs)
        if memory_cap is None or c.bytes <= memory_cap
    ]
    return tilings[min(fitting)[1] if fitting else 0]


ALGORITHM = Algorithm(
    name="fft-tiled",
    summary="FFT in overlapping tiles (overlap-save)",
    refuses=refuses,
    cost=cost,
    error_bound=error_bound,
    run=run,
    carries_nonfinite=lambda form: (),
)
