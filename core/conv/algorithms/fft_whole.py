"""FFT convolution with one transform of the whole window.

Between two checks lies a whole transform: about 0.1 s for each four million points.
"""

from __future__ import annotations

from core.arrays import Array
from core.conv import overlap_save
from core.conv.algorithm import Algorithm, Cost
from core.conv.blocks import Check
from core.conv.device import Device
from core.conv.normal import NormalForm

# Transforms that leave the caches, beside the tiles by which FFTs are measured; and what it takes
# until all cores work on one, in array operations.
_FAR, _WAKING = 1.7, 150


def refuses(form: NormalForm) -> str | None:
    """Refuse integers that double precision cannot be proved to keep exact."""
    return overlap_save.inexact(form, overlap_save.whole(form))


def cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    """One forward transform per input channel, one inverse per output channel."""
    found = overlap_save.cost(form, device, overlap_save.whole(form), 1)
    seconds = _FAR * found.seconds + _WAKING * device.call
    return Cost(seconds, found.bytes, once=_FAR * found.once)


def error_bound(form: NormalForm) -> float:
    """See `core.conv.overlap_save.error_bound`."""
    return overlap_save.error_bound(form, overlap_save.whole(form))


def run(
    form: NormalForm, x: Array, w: Array, out: Array, *, check: Check, memory_cap: int | None
) -> None:
    """Transform, multiply, transform back; see `core.conv.algorithm.Run`."""
    overlap_save.run(form, x, w, out, overlap_save.whole(form), check=check, workers=1)


ALGORITHM = Algorithm(
    name="fft-whole",
    summary="one FFT of the whole input",
    refuses=refuses,
    cost=cost,
    error_bound=error_bound,
    run=run,
    carries_nonfinite=lambda form, device: (),
)
