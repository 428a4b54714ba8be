"""Convolution with a sum over channels, on a GPU: a product of matrices that are never made."""

from __future__ import annotations

from functools import lru_cache

from core.arrays import Array
from core.conv.algorithm import Cost
from core.conv.blocks import Check
from core.conv.cuda import gathering
from core.conv.cuda.geometry import NUMBERS, Tile
from core.conv.cuda.modules import Macros
from core.conv.device import Device
from core.conv.normal import NormalForm

# Rows are output channels and columns outputs; the lowest that holds a group's channels is taken.
_TILES = (
    Tile((256, 1), 1, 1),
    Tile((256, 1), 1, 8),
    Tile((128, 2), 2, 8),
    Tile((64, 4), 4, 8),
    Tile((16, 8), 8, 8),
    Tile((16, 16), 8, 8),
)
# Numbers of eight bytes take twice the registers.
_WIDE_TILES = (
    Tile((256, 1), 1, 1),
    Tile((256, 1), 1, 4),
    Tile((64, 4), 2, 4),
    Tile((16, 16), 4, 4),
)
# Places of the sum that a block multiplies at a time.
_DEPTH = 8


def supports(form: NormalForm) -> bool:
    """Return whether the kernel computes ``form``: everything real, along three axes at most."""
    return form.dtype in NUMBERS and gathering.supports(form)


def cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    """Count products, those of empty places in tiles too, and what is gathered for them."""
    span, count = tile_of(form).span, parts(form, memory_cap)
    work = gathering.products(form, span) + gathering.gathering(form, span, _DEPTH)
    moved = gathering.moved(form, count) * device.copy
    seconds = max(work * device.direct[form.dtype], moved) + device.call * (1 + (count > 1))
    return Cost(seconds, gathering.memory(form, count))


def run(
    form: NormalForm, x: Array, w: Array, out: Array, *, check: Check, memory_cap: int | None
) -> None:
    """Fill ``out``; the arguments are those of `core.conv.algorithm.Run`."""
    tile = tile_of(form)
    gathering.run(
        "channels", form, x, w, out,
        span=tile.span, depth=_DEPTH, count=parts(form, memory_cap), block=tile.block,
        macros=_sums(tile), check=check,
    )  # fmt: skip


def macros(form: NormalForm) -> Macros:
    """Return what the source is specialised for, beside `core.conv.cuda.launch.types`."""
    return (*gathering.order(form, _DEPTH), *_sums(tile_of(form)))


@lru_cache(maxsize=1024)
def tile_of(form: NormalForm) -> Tile:
    """Return the sums of a block: no more rows than a group's channels need."""
    tiles = _TILES if form.itemsize == 4 else _WIDE_TILES
    rows = form.out_channels // form.groups
    return next((tile for tile in tiles if tile.span[0] >= rows), tiles[-1])


def parts(form: NormalForm, memory_cap: int | None) -> int:
    """Return how many blocks share each sum."""
    return gathering.parts(form, tile_of(form).span, memory_cap)


def _sums(tile: Tile) -> Macros:
    return (
        ("ROWS", tile.rows),
        ("COLUMNS", tile.columns),
        ("BLOCK_X", tile.block[0]),
        ("BLOCK_Y", tile.block[1]),
    )
