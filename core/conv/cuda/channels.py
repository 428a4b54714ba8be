"""Convolution with a sum over channels, on a GPU: a product of matrices that are never made."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from core.arrays import Array, array_module
from core.conv.algorithm import Cost
from core.conv.blocks import Check
from core.conv.cuda.geometry import MOST_PLANES, NUMBERS, Tile
from core.conv.cuda.launch import contiguous, put_back, readable, types
from core.conv.cuda.modules import Macros, function
from core.conv.device import Device
from core.conv.normal import NormalForm, Shape

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
# So many fill every device; where there are fewer, they share sums of no fewer places than that.
_ENOUGH_BLOCKS, _LEAST_SUM = 512, 256
# A block's weights are counted in 32 bits.
_MOST_PLACES = 1 << 24
# Inputs of an image are, too.
_MOST_INPUTS = 1 << 31
# Places of the sum that a block multiplies at a time.
_DEPTH = 8
# To gather an input takes as long as so many multiply-adds: where its place is found for it alone,
# and for many channels at once. Counted in what compilers make of it; not measured.
_FIND, _FIND_CHANNELS = 16, 4


def supports(form: NormalForm) -> bool:
    """Return whether the kernel computes ``form``: everything real, along three axes at most."""
    places = form.group_channels * form.taps
    inputs = form.in_channels * math.prod(form.spatial)
    return (
        form.ndim <= 3 and form.dtype in NUMBERS and places < _MOST_PLACES and inputs < _MOST_INPUTS
    )


def cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    """Count products, those of empty places in tiles too, and what is gathered for them."""
    tile = tile_of(form)
    rows, columns = tile.span
    blocks = _blocks(form)
    products = math.prod(blocks) * rows * columns
    gathered = math.prod(blocks) * columns
    find = _FIND_CHANNELS if _channels_first(form) else _FIND
    work = (products + find * gathered) * form.group_channels * form.taps
    inputs = form.batch * form.in_channels * math.prod(form.spatial)
    count = parts(form, memory_cap)
    moved = (inputs + (2 * count - 1) * form.outputs) * form.itemsize * device.copy
    seconds = max(work * device.direct[form.dtype], moved) + device.call * (1 + (count > 1))
    weights = form.out_channels * form.group_channels * form.taps
    return Cost(seconds, (weights + _partial(form, count)) * form.itemsize)


def run(
    form: NormalForm, x: Array, w: Array, out: Array, *, check: Check, memory_cap: int | None
) -> None:
    """Fill ``out``; the arguments are those of `core.conv.algorithm.Run`."""
    check()
    xp, tile, count = array_module(x), tile_of(form), parts(form, memory_cap)
    x, found = _near(readable(x, form.dtype)), contiguous(out)
    weights = w[(..., *(slice(None, None, -1),) * form.ndim)].reshape(*w.shape[:2], -1)
    # In the order of the sum.
    weights = xp.ascontiguousarray(weights.swapaxes(1, 2) if _channels_first(form) else weights)
    summed = found if count == 1 else xp.empty((count, *found.shape), form.dtype)
    kernel = function(x, "channels", "channels", (*types(form.dtype, x.dtype.name), *macros(form)))
    columns, rows, groups = _blocks(form)
    grid = (columns, rows, min(groups * count, MOST_PLANES))
    kernel(grid, (*tile.block, 1), (x, weights, summed, *_numbers(form, x, count)))
    if count > 1:
        xp.sum(summed, axis=0, out=found)
    put_back(found, out)


def macros(form: NormalForm) -> Macros:
    """Return what the source is specialised for, beside `core.conv.cuda.launch.types`."""
    tile = tile_of(form)
    taps = _three(form.kernel, 1)
    return (
        ("ROWS", tile.rows),
        ("COLUMNS", tile.columns),
        ("BLOCK_X", tile.block[0]),
        ("BLOCK_Y", tile.block[1]),
        *((f"TAPS_{axis}", k) for axis, k in enumerate(taps)),
        ("CHANNELS_FIRST", int(_channels_first(form))),
    )


@lru_cache(maxsize=1024)
def tile_of(form: NormalForm) -> Tile:
    """Return the sums of a block: no more rows than a group's channels need."""
    tiles = _TILES if form.itemsize == 4 else _WIDE_TILES
    rows = form.out_channels // form.groups
    return next((tile for tile in tiles if tile.span[0] >= rows), tiles[-1])


def parts(form: NormalForm, memory_cap: int | None) -> int:
    """Return how many blocks share each sum; fewer where their memory is more than the cap."""
    wanted = _ENOUGH_BLOCKS // math.prod(_blocks(form))
    longest = form.group_channels * form.taps // _LEAST_SUM
    count = max(1, min(wanted, longest))
    if memory_cap is not None:
        left = memory_cap // form.itemsize - form.out_channels * form.group_channels * form.taps
        count = max(1, min(count, left // form.outputs))
    return count


def _channels_first(form: NormalForm) -> bool:
    # Whether the sum goes through all channels of a tap, which takes whole steps of them.
    return form.group_channels % _DEPTH == 0


def _near(x: Array) -> Array:
    # Of an image, no two inputs may be farther from each other than 32 bits count.
    steps = zip(x.shape[1:], x.strides[1:], strict=True)
    farthest = sum((n - 1) * abs(stride) for n, stride in steps) // x.itemsize
    return x if farthest < _MOST_INPUTS else array_module(x).ascontiguousarray(x)


def _partial(form: NormalForm, count: int) -> int:
    return count * form.outputs if count > 1 else 0


def _blocks(form: NormalForm) -> tuple[int, int, int]:
    rows, columns = tile_of(form).span
    outputs = form.batch * math.prod(form.out)
    return -(-outputs // columns), -(-(form.out_channels // form.groups) // rows), form.groups


def _numbers(form: NormalForm, x: Array, count: int) -> tuple[np.int64, ...]:
    # What the kernel takes after its arrays, in its order.
    image, channel, *steps = (stride // x.itemsize for stride in x.strides)
    numbers = (
        *(image, channel, *_three(tuple(steps), 0)),
        *_three(form.spatial, 1),
        *_three(form.first_input((0,) * form.ndim), 0),
        *_three(form.stride, 1),
        *_three(form.dilation, 1),
        *(form.batch, form.group_channels, form.out_channels // form.groups, form.groups),
        *(*_three(form.out, 1), count),
    )
    return tuple(map(np.int64, numbers))


def _three(lengths: Shape, missing: int) -> Shape:
    return (missing,) * (3 - len(lengths)) + lengths
