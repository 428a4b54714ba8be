"""Convolution with a sum over channels and taps by a GPU's tensor cores, of rounded numbers.

For problems that allow it (`core.conv.precision`); sums are float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from core.arrays import Array
from core.conv.algorithm import Cost
from core.conv.blocks import Check
from core.conv.cuda import gathering
from core.conv.cuda.modules import Macros
from core.conv.device import Device
from core.conv.normal import NormalForm


@dataclass(frozen=True)
class Warps:
    """The sums of a block of threads, and of each of its warps.

    Parameters
    ----------
    rows, columns : int
        Warps.
    tiles : tuple of int
        Of a warp: tiles of 16 rows, and of 8 columns.

    Examples
    --------
    >>> Warps(2, 4, (4, 4)).span
    (128, 128)
    """

    rows: int
    columns: int
    tiles: tuple[int, int]

    @property
    def span(self) -> gathering.Span:
        """Rows and columns of a block's sums."""
        return 16 * self.rows * self.tiles[0], 8 * self.columns * self.tiles[1]

    @property
    def threads(self) -> int:
        """Of a block."""
        return 32 * self.rows * self.columns


# The lowest that holds a group's output channels is taken.
_WARPS = (
    Warps(1, 8, (1, 4)),
    Warps(1, 8, (2, 4)),
    Warps(2, 4, (2, 4)),
    Warps(2, 4, (4, 4)),
)
# Places of the sum that a block multiplies at a time: eight words of a row.
_DEPTHS = {"tf32": 8, "bfloat16": 16, "float16": 16}


def supports(form: NormalForm) -> bool:
    """Return whether the kernel computes ``form``: what allows less than float32."""
    return form.dtype == "float32" and form.precision in _DEPTHS and gathering.supports(form)


def cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    """Count products, those of empty places in tiles too, and what is gathered for them."""
    span, count = warps_of(form).span, parts(form, memory_cap)
    work = (
        gathering.products(form, span) * device.tensor[form.precision]
        + gathering.gathering(form, span, _DEPTHS[form.precision]) * device.direct[form.dtype]
    )
    moved = gathering.moved(form, count) * device.copy
    seconds = max(work, moved) + device.call * (1 + (count > 1))
    return Cost(seconds, gathering.memory(form, count))


def run(
    form: NormalForm, x: Array, w: Array, out: Array, *, check: Check, memory_cap: int | None
) -> None:
    """Fill ``out``; the arguments are those of `core.conv.algorithm.Run`."""
    warps = warps_of(form)
    gathering.run(
        "tensor", form, x, w, out,
        span=warps.span, depth=_DEPTHS[form.precision], count=parts(form, memory_cap),
        block=(warps.threads, 1), macros=_sums(form), check=check,
    )  # fmt: skip


def macros(form: NormalForm) -> Macros:
    """Return what the source is specialised for, beside `core.conv.cuda.launch.types`."""
    return (*gathering.order(form, _DEPTHS[form.precision]), *_sums(form))


@lru_cache(maxsize=1024)
def warps_of(form: NormalForm) -> Warps:
    """Return the sums of a block: no more rows than a group's channels need."""
    rows = form.out_channels // form.groups
    return next((warps for warps in _WARPS if warps.span[0] >= rows), _WARPS[-1])


def parts(form: NormalForm, memory_cap: int | None) -> int:
    """Return how many blocks share each sum."""
    return gathering.parts(form, warps_of(form).span, memory_cap)


def _sums(form: NormalForm) -> Macros:
    warps = warps_of(form)
    return (
        ("MULTIPLIED", form.precision),
        ("WARPS_Y", warps.rows),
        ("WARPS_X", warps.columns),
        ("TILES_Y", warps.tiles[0]),
        ("TILES_X", warps.tiles[1]),
    )
