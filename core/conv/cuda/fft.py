"""Tiled FFTs on a GPU, without a sum over channels, in the shared memory of a block."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from core.arrays import Array, array_module
from core.conv import overlap_save
from core.conv.algorithm import Cost
from core.conv.blocks import Check
from core.conv.cuda.geometry import MOST_PLANES, arguments, two
from core.conv.cuda.launch import contiguous, put_back, readable, types
from core.conv.cuda.modules import Macros, function
from core.conv.device import Device
from core.conv.fixed import once
from core.conv.normal import NormalForm
from core.conv.overlap_save import Tiling, transform_dtype

# Lines and pictures; each is taken where the device's blocks have room for it.
_LINES = tuple((1 << e,) for e in range(10, 14))
_PICTURES = ((32, 32), (64, 64), (64, 128), (128, 128))
# Points of a butterfly: as many as registers hold.
_RADIX = {"float32": 16, "float64": 8}
# What blocks may have on the largest devices.
_MOST_SHARED = 227 << 10
# With 128 registers each, as many threads fill a multiprocessor.
_THREADS = 512


@lru_cache(maxsize=1024)
def tilings(form: NormalForm, shared: int = _MOST_SHARED) -> list[Tiling]:
    """Return the tiles that the kernel takes for ``form``; none where it cannot compute it.

    Parameters
    ----------
    form : NormalForm
        The problem.
    shared : int
        Bytes that a block may have on the device; without it those of any device.
    """
    if form.ndim > 2 or form.group_channels > 1 or max(form.stride) > 1 or form.is_complex:
        return []
    dtype = transform_dtype(form)
    return [
        how
        for tile in (_LINES if form.ndim == 1 else _PICTURES)
        if dtype in _RADIX
        and shared_bytes(tile, dtype) <= shared
        and min(size := tuple(t - r for t, r in zip(tile, form.reach, strict=True))) > 0
        and overlap_save.inexact(form, how := Tiling(tile, size, 1)) is None
    ]


def cost(form: NormalForm, device: Device, how: Tiling) -> Cost:
    """Take the longer of the transforms and of reading and writing once."""
    dtype = transform_dtype(form)
    points, planes = math.prod(how.tile), form.batch * form.out_channels
    # Two tiles of one plane are transformed as one.
    each = points * math.log2(points) * device.fft_tile[dtype]
    moved = (form.batch * form.in_channels * math.prod(form.spatial) + form.outputs) * form.itemsize
    seconds = max(planes * _pairs(form, how) * each, moved * device.copy) + device.call
    kernels = form.out_channels * each + device.call
    spectra = form.out_channels * 2 * points * np.dtype(dtype).itemsize
    return Cost(seconds + kernels, spectra, once=kernels)


def run(form: NormalForm, x: Array, w: Array, out: Array, how: Tiling, *, check: Check) -> None:
    """Fill ``out``, with one of `tilings`; the arguments are those of `core.conv.algorithm.Run`."""
    check()
    xp, dtype = array_module(x), transform_dtype(form)
    x, found = readable(x, dtype), contiguous(out)
    stream = xp.cuda.get_current_stream()
    roots = _roots(xp, stream, x.device.id, max(how.tile), dtype)
    compiled = (*types(dtype, x.dtype.name, out.dtype.name), *macros(form, how))
    shared, block = shared_bytes(how.tile, dtype), (_threads(how.tile, dtype), 1, 1)

    def transformed() -> tuple[Array, Array, Array]:
        weights = xp.zeros((form.out_channels, *(r + 1 for r in form.reach)), dtype)
        weights[(..., *(slice(None, None, d) for d in form.dilation))] = w[:, 0]
        spectra = xp.empty((form.out_channels, math.prod(how.tile), 2), dtype)
        spoilt = xp.empty(form.out_channels, "int32")
        transform = function(x, "fft", "spectrum", compiled, shared)
        arrays = (weights, roots, spectra, spoilt)
        transform((form.out_channels, 1, 1), block, arrays, shared_mem=shared)
        return weights, spectra, spoilt

    made = ("fft-tiled", dtype, form.dilation, how.tile)
    weights, spectra, spoilt = once(w, made, transformed)
    kernel = function(x, "fft", "convolve", compiled, shared)
    grid = (_pairs(form, how), min(form.batch * form.out_channels, MOST_PLANES), 1)
    arrays = (x, weights, spectra, spoilt, roots, found)
    kernel(grid, block, (*arrays, *arguments(form, x)), shared_mem=shared)
    put_back(found, out)


def macros(form: NormalForm, how: Tiling) -> Macros:
    """Return what the source is specialised for, beside `types`."""
    dtype = transform_dtype(form)
    (rows, columns), (height, width) = two(how.tile), two(tuple(r + 1 for r in form.reach))
    (apart_y, apart_x), threads = two(form.dilation), _threads(how.tile, dtype)
    return (
        ("TILE_Y", rows),
        ("TILE_X", columns),
        ("LONGEST", max(how.tile)),
        ("HEIGHT", height),
        ("WIDTH", width),
        ("APART_Y", apart_y),
        ("APART_X", apart_x),
        ("RADIX", _RADIX[dtype]),
        ("THREADS", threads),
        ("BLOCKS", _THREADS // threads),
    )


def shared_bytes(tile: tuple[int, ...], dtype: str) -> int:
    """Return how much shared memory a block takes: both parts of a tile.

    Examples
    --------
    >>> shared_bytes((64, 64), "float32")
    32768
    """
    return 2 * math.prod(tile) * np.dtype(dtype).itemsize


def _pairs(form: NormalForm, how: Tiling) -> int:
    tiles = math.prod(-(-n // m) for n, m in zip(form.out, how.size, strict=True))
    return -(-tiles // 2)


def _threads(tile: tuple[int, ...], dtype: str) -> int:
    return min(math.prod(tile) // _RADIX[dtype], _THREADS)


@lru_cache(maxsize=64)
def _roots(xp: Any, stream: Any, device: int, count: int, dtype: str) -> Array:
    # The powers of exp(-2 pi i / count), on the device; real and imaginary parts in turn. Another
    # stream would have to wait for the one that brings them.
    angles = -2 * np.pi / count * np.arange(count)
    return xp.asarray(np.stack([np.cos(angles), np.sin(angles)], 1).astype(dtype))
