"""Separable and low-rank kernels on a GPU: both passes in the shared memory of a block."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from core.arrays import Array, array_module, to_numpy
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
    whole_vectors,
)
from core.conv.cuda.launch import launch, readable
from core.conv.device import Device
from core.conv.fixed import once
from core.conv.lowrank import terms_of
from core.conv.normal import NormalForm

# Threads of a block and rows of a thread; the largest that fits is taken.
_TILES = (((32, 8), 4), ((16, 8), 4), ((16, 8), 2), ((8, 8), 2), ((8, 8), 1))

# Kernels of other powers of two than these are scaled before they are split.
_MODERATE = 40


def supports(form: NormalForm) -> bool:
    """Return whether the kernel computes ``form``: two axes without steps, a block's inputs fit."""
    return (
        form.ndim == 2
        and max(form.stride) == max(form.dilation) == 1
        and form.dtype in NUMBERS
        and tile_of(form) is not None
    )


def cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    """Take the longer of the passes' arithmetic, and of reading and writing once."""
    tile = tile_of(form)
    assert tile is not None
    assert form.rank is not None
    inputs = form.batch * form.in_channels * math.prod(form.spatial)
    moved = (inputs + form.outputs) * form.itemsize * device.copy
    height, width = form.kernel
    # The first pass computes rows for the second one beyond those of the block.
    beyond = (tile.span[0] + height - 1) / tile.span[0]
    products = form.outputs * form.rank * (beyond * width + height)
    return Cost(max(moved, products * device.direct[form.dtype]) + device.call, 0)


def run(
    form: NormalForm, x: Array, w: Array, out: Array, *, check: Check, memory_cap: int | None
) -> None:
    """Fill ``out``; the arguments are those of `core.conv.algorithm.Run`."""
    check()
    tile = tile_of(form)
    assert tile is not None
    weights = once(w, ("separable", form.dtype, form.bits is None), lambda: _weights(form, w))
    x = readable(x, form.dtype)
    launch(
        "separable", form, x, weights, out, arguments(form, x), grid=grid(form, tile),
        block=(*tile.block, 1), macros=(*macros(form, tile, x), ("TERMS", weights[0].shape[1])),
    )  # fmt: skip


def shared_bytes(form: NormalForm, tile: Tile) -> int:
    """Return how much shared memory a block takes: for inputs, what comes between, and weights."""
    (height, width), (rows, columns), size = form.kernel, tile.span, form.itemsize
    pitches = pitch(columns + width - 1, size) + pitch(columns, size)
    vectors = (form.rank or 1) * (height + whole_vectors(width, size))
    return ((rows + height - 1) * pitches + vectors) * size


def _weights(form: NormalForm, w: Array) -> tuple[Array, ...]:
    # Its terms, and the kernels themselves.
    xp = array_module(w)
    return (*map(xp.asarray, _vectors(form, to_numpy(w)[:, 0])), xp.ascontiguousarray(w))


def _vectors(form: NormalForm, w: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    # Along columns and rows: (channels, terms, taps). Both share the magnitude of the kernels, so
    # that neither overflows, and kernels of a smaller rank than others have terms of zeros.
    shift = 0
    if form.bits is None:
        shift = math.frexp(float(np.abs(w).max()))[1]
        shift = shift if abs(shift) > _MODERATE else 0
        w = np.ldexp(w, -shift) if shift else w
    split = [terms_of(form, kernel) for kernel in w]
    count = max(map(len, split))
    vectors = [np.zeros((form.out_channels, count, k), form.dtype) for k in form.kernel]
    for channel, terms in enumerate(split):
        for number, term in enumerate(terms):
            for axis, vector in enumerate(term):
                vectors[axis][channel, number] = vector[::-1]
    if shift:
        halves = (shift // 2, shift - shift // 2)
        return [np.ldexp(v, half) for v, half in zip(vectors, halves, strict=True)]
    return vectors


@lru_cache(maxsize=1024)
def tile_of(form: NormalForm) -> Tile | None:
    """Return the largest tile that every device has room for, if a grid is as tall as ``form``."""
    tiles = tiles_of(form, _TILES)
    tile = next((tile for tile in tiles if shared_bytes(form, tile) <= SHARED_BYTES), None)
    return tile if tile is not None and fits(form, tile) else None
