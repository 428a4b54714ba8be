"""Which tiles a problem can be cut into, and what a generated transform of one takes."""

from __future__ import annotations

import itertools
import math
from functools import lru_cache

import numpy as np

from core.conv.codegen.fft_tile import least_row, tile_strides
from core.conv.codegen.target import host
from core.conv.device import Device
from core.conv.normal import NormalForm, Shape
from core.conv.overlap_save import Tiling, inexact, transform_dtype

# A tile beyond this leaves every cache.
_MOST_POINTS = 1 << 20
# How many lengths are tried per axis, by the number of axes, from the shortest possible one on.
_TRIED = (0, 12, 7, 5)
# Of many channels, so many tiles are at work at a time in each thread: kernels are read for each
# such group, but the spectra of all channels lie in memory.
_TOGETHER = (1, 8)
# What a turn takes besides: limits and masks.
_TURN_SECONDS = 3e-7
# The second cache of a core.
_CACHE_BYTES = 1 << 20


@lru_cache(maxsize=1024)
def tilings(form: NormalForm) -> tuple[Tiling, ...]:
    """Return the tiles to choose from, the smallest first; none where none can do.

    Examples
    --------
    >>> form = NormalForm(1, 1, 1, 1, (9,), (3,), (0,), (11,), (1,), (1,), "float32")
    >>> tilings(form)[0].size
    (11,)
    """
    if form.ndim > 3 or form.dtype == "object":
        return ()
    row = least_row(host(), part_dtype(form))
    lengths = [
        _lengths(reach + 1, span, row if axis == form.ndim - 1 else 1, _TRIED[form.ndim])
        for axis, (reach, span) in enumerate(zip(form.reach, form.span, strict=True))
    ]
    tiles = sorted(itertools.product(*lengths), key=math.prod)
    together = _TOGETHER if form.group_channels > 1 or form.out_channels > form.groups else (1,)
    found = (
        Tiling(t, _outputs(form, t), images)
        for t in tiles
        if math.prod(t) <= _MOST_POINTS
        for images in together
    )
    return tuple(how for how in found if inexact(form, how) is None)


def part_dtype(form: NormalForm) -> str:
    """Return the dtype of the real numbers that the transforms compute with."""
    return str(np.empty(0, transform_dtype(form)).real.dtype)


def tile_bytes(form: NormalForm, tile: Shape) -> int:
    """Return the bytes of a tile's spectrum in memory."""
    part = part_dtype(form)
    return tile_strides(part, tile)[0] * np.dtype(part).itemsize


def tile_count(form: NormalForm, how: Tiling) -> int:
    """Return how many tiles one channel of all images has."""
    return form.batch * math.prod(-(-n // m) for n, m in zip(form.out, how.size, strict=True))


def turn_seconds(form: NormalForm, device: Device, tile: Shape) -> float:
    """Return what one core takes to transform a tile forward and back.

    From a tile and its spectrum that fit the second cache on, it takes longer by a third for each
    doubling. A row is halved level by level, and so stays in the cache for longer; but it needs a
    factor for each of its points.
    """
    points = math.prod(tile)
    row = len(tile) == 1
    fitting = _CACHE_BYTES * (4 if row else 1)
    doublings = max(0.0, math.log2(2 * tile_bytes(form, tile) / fitting))
    factor = (1.4 if row else 1.0) * (1 + doublings / 3)
    return _TURN_SECONDS + device.fft_tile[part_dtype(form)] * factor * points * math.log2(points)


def _lengths(least: int, span: int, row: int, count: int) -> list[int]:
    # Powers of two and three times those, up to the first that covers the whole axis.
    powers = [1 << e for e in range(_MOST_POINTS.bit_length())]
    thrice = [3 * n for n in powers if 3 * n >= 3 * row]
    fitting = sorted(n for n in (*powers, *thrice) if n >= max(least, row))
    covering = next((i for i, n in enumerate(fitting) if n >= span), len(fitting))
    return fitting[: min(count, covering + 1)]


def _outputs(form: NormalForm, tile: Shape) -> Shape:
    return tuple(
        min(m, (t - 1 - r) // s + 1)
        for m, t, r, s in zip(form.out, tile, form.reach, form.stride, strict=True)
    )
