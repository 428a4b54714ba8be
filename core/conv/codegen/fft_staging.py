"""Copies of tiles, for arrays that the generated kernels cannot read or write as they lie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.conv.blocks import never
from core.conv.codegen import rows, rows_run, single
from core.conv.codegen.fft_memory import RealArray
from core.conv.normal import NormalForm, Shape, read
from core.conv.overlap_save import Tiling, transform_dtype


def is_plain(form: NormalForm, x: RealArray, out: RealArray) -> bool:
    """Return whether the kernels can read ``x`` and write ``out`` as they lie in memory."""
    if form.bits is not None or max(form.stride) > 1:
        return False
    return all(
        a.dtype == form.dtype
        and a.dtype.isnative
        and a.flags.aligned
        and a.strides[-1] == a.itemsize
        for a in (x, out)
    )


def in_planes(form: NormalForm, x: RealArray, room: int | None) -> RealArray:
    """Return a copy of pictures that kernels cannot read as they lie, where there is room for it.

    Bytes, or colours side by side, are brought into planes by the direct kernel: with one tap.
    """
    if form.bits is not None or not rows.supports(form):
        return x
    layout = rows_run.layout_of(form, x)
    if layout is None or (layout.apart == 1 and layout.storage == form.dtype):
        return x
    if room is not None and x.size * form.itemsize > room:
        return x
    tap = (1, 1)
    copying = replace(
        form,
        out_channels=form.in_channels,
        kernel=tap,
        start=(0, 0),
        out=form.spatial,
        rank=None,
        uniform=False,
    )
    planes = np.empty(copying.out_shape, form.dtype)
    ones = np.ones((form.in_channels, 1, *tap), form.dtype)
    single.run(copying, x, ones, planes, check=never, memory_cap=room)
    return planes


def copied_in(
    form: NormalForm, x: RealArray, how: Tiling, tiles: range, channels: range
) -> RealArray:
    """Return the inputs of some tiles, of shape ``(tiles, channels, *tile)``."""
    dtype = transform_dtype(form)
    result = np.empty((len(tiles), len(channels), *how.tile), dtype)
    for copy, tile in zip(result, tiles, strict=True):
        n, at = _place(form, how, tile)
        source = x[n, channels.start : channels.stop]
        copy[...] = read(source, form.first_input(at), how.tile, dtype)
    return result


def copied_out(
    form: NormalForm,
    results: RealArray,
    out: RealArray,
    how: Tiling,
    tiles: range,
    channels: range,
) -> None:
    """Copy what is wanted of ``results``, of shape ``(tiles, channels, *tile)``, to ``out``."""
    for result, tile in zip(results, tiles, strict=True):
        n, at = _place(form, how, tile)
        box = tuple(slice(a, a + m) for a, m in zip(at, how.size, strict=True))
        wanted = out[n, channels.start : channels.stop][:, *box]
        keep = tuple(
            slice(r, r + (m - 1) * s + 1, s)
            for r, m, s in zip(form.reach, wanted.shape[1:], form.stride, strict=True)
        )
        part = result[:, *keep]
        wanted[...] = part if form.bits is None else np.rint(part)


def _place(form: NormalForm, how: Tiling, tile: int) -> tuple[int, Shape]:
    # The image of a tile, and its first output.
    counts = (-(-n // m) for n, m in zip(form.out, how.size, strict=True))
    n, *cell = map(int, np.unravel_index(tile, (form.batch, *counts)))
    return n, tuple(i * m for i, m in zip(cell, how.size, strict=True))
