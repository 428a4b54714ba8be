"""Spectra of kernels, in the order in which the generated tiles produce theirs."""

from __future__ import annotations

import math

import numpy as np

from core.conv.codegen.fft_layout import whole_tile
from core.conv.codegen.fft_run import (
    RealArray,
    address,
    tile_function,
    tiles_per_turn,
)
from core.conv.normal import NormalForm, Shape
from core.conv.overlap_save import transform_dtype


def spectrum(form: NormalForm, kernel: RealArray, tile: Shape, memory: RealArray) -> None:
    """Transform one kernel into ``memory``, ready to multiply the spectra of tiles with.

    The kernel is dilated, and turned round the tile so that the first output of a tile that
    wrap-around does not touch is the tile's first; the transforms' factor is divided out.

    Parameters
    ----------
    form : NormalForm
        Of the problem.
    kernel : array of shape ``form.kernel``
        Oriented for convolution; for real problems it may be complex: two kernels in one.
    tile : tuple of int
        Not shorter than the dilated kernel.
    memory : array
        One row of what `core.conv.codegen.fft_run.tile_memory` returns.
    """
    dtype = np.result_type(transform_dtype(form), kernel.dtype)
    padded = np.zeros(tile, dtype)
    places = [
        (np.arange(k) * d - r) % t
        for k, d, r, t in zip(form.kernel, form.dilation, form.reach, tile, strict=True)
    ]
    padded[np.ix_(*places)] = kernel
    is_complex = dtype.kind == "c"
    tiles = np.zeros((tiles_per_turn(is_complex=is_complex), 2 + 3 * len(tile)), np.int64)
    tiles[0] = whole_tile(tile, tile, address(padded), 0)
    strides = np.array([*padded.strides[:-1]] * 2, np.int64)
    forward = tile_function("forward", str(memory.dtype), tile, is_complex=is_complex)
    forward(tiles, strides, memory, memory)
    memory *= memory.dtype.type(1 / math.prod(tile))
