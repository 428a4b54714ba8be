"""Direct convolution without a sum over channels, on a GPU."""

from __future__ import annotations

import math
from functools import lru_cache

from core.arrays import Array, array_module
from core.conv.algorithm import Cost
from core.conv.blocks import Check
from core.conv.cuda.geometry import (
    NUMBERS,
    SHARED_BYTES,
    Tile,
    arguments,
    fits,
    grid,
    macros,
    pitch,
    tiles_of,
    two,
    whole_vectors,
)
from core.conv.cuda.launch import launch, readable
from core.conv.device import Device
from core.conv.fixed import once
from core.conv.normal import NormalForm

# Taps from which on a transform is faster on every device, and the code becomes long.
_MOST_TAPS = 31 * 31

# Threads of a block and rows of a thread: of a picture, and of a single line; the largest that fits
# is taken.
_TILES = (((32, 8), 4), ((32, 8), 2), ((32, 8), 1), ((8, 8), 1))
_LINES = (((256, 1), 1),)


def supports(form: NormalForm) -> bool:
    """Return whether the kernel computes ``form``: one or two axes, no sum, no steps, few taps."""
    return (
        form.ndim <= 2
        and form.group_channels == 1
        and max(form.stride) == max(form.dilation) == 1
        and form.dtype in NUMBERS
        and form.taps <= _MOST_TAPS
        and tile_of(form) is not None
    )


def cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    """Take the longer of the arithmetic and of reading and writing once."""
    inputs = form.batch * form.in_channels * math.prod(form.spatial)
    moved = (inputs + form.outputs) * form.itemsize * device.copy
    return Cost(max(moved, form.multiply_adds * device.direct[form.dtype]) + device.call, 0)


def run(
    form: NormalForm, x: Array, w: Array, out: Array, *, check: Check, memory_cap: int | None
) -> None:
    """Fill ``out``; the arguments are those of `core.conv.algorithm.Run`."""
    check()
    tile = tile_of(form)
    assert tile is not None
    reverse = (slice(None, None, -1),) * form.ndim
    turned = w[(slice(None), 0, *reverse)]
    weights = once(w, "direct", lambda: array_module(w).ascontiguousarray(turned))
    x = readable(x, form.dtype)
    launch(
        "direct", form, x, (weights,), out, arguments(form, x),
        grid=grid(form, tile), block=(*tile.block, 1), macros=macros(form, tile, x),
    )  # fmt: skip


def shared_bytes(form: NormalForm, tile: Tile) -> int:
    """Return how much shared memory a block takes, for its inputs and the weights."""
    (height, width), (rows, columns) = two(form.kernel), tile.span
    inputs = (rows + height - 1) * pitch(columns + width - 1, form.itemsize)
    # Beside them, whether all weights are finite.
    return (inputs + height * whole_vectors(width, form.itemsize)) * form.itemsize + 1


@lru_cache(maxsize=1024)
def tile_of(form: NormalForm) -> Tile | None:
    """Return the largest tile that every device has room for, if a grid is as tall as ``form``."""
    tiles = tiles_of(form, _TILES if form.ndim == 2 else _LINES)
    tile = next((tile for tile in tiles if shared_bytes(form, tile) <= SHARED_BYTES), None)
    return tile if tile is not None and fits(form, tile) else None
