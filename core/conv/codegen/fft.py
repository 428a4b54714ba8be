"""Convolution by generated tile FFTs (overlap-save), each output channel of one input channel."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache
from queue import SimpleQueue

import numpy as np

from core.conv.algorithm import Cost
from core.conv.blocks import Check, for_each
from core.conv.codegen.fft_layout import Words, layout, placed, whole_tile
from core.conv.codegen.fft_run import (
    RealArray,
    address,
    tile_function,
    tile_memory,
    tiles_per_turn,
)
from core.conv.codegen.fft_spectrum import spectrum
from core.conv.codegen.fft_tile import least_row, tile_strides, words
from core.conv.codegen.target import host
from core.conv.device import Device
from core.conv.normal import NormalForm, Shape, read
from core.conv.overlap_save import Tiling, inexact, transform_dtype

# A tile beyond this leaves every cache.
_MOST_POINTS = 1 << 20
# Per axis the shortest possible tile is tried, and its doubles.
_TRIED = 4
# Between two checks lies at most about this much work, in seconds.
_CHUNK_SECONDS = 0.02
# A smaller share of the work than this is not worth another thread, in seconds.
_WORTH_A_THREAD = 4e-5
# What a turn takes besides: limits and masks.
_TURN_SECONDS = 3e-7
# The second cache of a core.
_CACHE_BYTES = 1 << 20
# Turns whose tiles are copied and converted at a time.
_STAGED_TURNS = 2
# Pieces of work for each thread, so that all end at about the same time.
_PIECES = 4
# Array operations around a run, and around each kernel's spectrum.
_CALLS, _SPECTRUM_CALLS = 40, 15


@lru_cache(maxsize=1024)
def tilings(form: NormalForm) -> tuple[Tiling, ...]:
    """Return the tiles to choose from, those of fewer points first; none where none can do.

    Examples
    --------
    >>> form = NormalForm(1, 1, 1, 1, (9,), (3,), (0,), (11,), (1,), (1,), "float32")
    >>> tilings(form)[0].size
    (11,)
    """
    if form.ndim > 3 or form.group_channels > 1 or form.dtype == "object":
        return ()
    shortest = [1 << r.bit_length() for r in form.reach]
    shortest[-1] = max(shortest[-1], least_row(host(), part_dtype(form)))
    lengths = [
        [n for n in (least << e for e in range(_TRIED)) if n == least or n < 2 * span]
        for least, span in zip(shortest, form.span, strict=True)
    ]
    tiles = sorted(itertools.product(*lengths), key=math.prod)
    found = (Tiling(t, _outputs(form, t), 1) for t in tiles if math.prod(t) <= _MOST_POINTS)
    return tuple(how for how in found if inexact(form, how) is None)


def part_dtype(form: NormalForm) -> str:
    """Return the dtype of the real numbers that the transforms compute with."""
    return str(np.empty(0, transform_dtype(form)).real.dtype)


def cost(form: NormalForm, device: Device, how: Tiling) -> Cost:
    """Count the turns of the busiest core, and the calls around them."""
    turns, turn = form.out_channels * _turns(form, how), _turn_seconds(form, device, how.tile)
    workers = device.workers if turns * turn > _WORTH_A_THREAD else 1
    seconds = (
        # Of a kernel there is the forward transform only.
        (-(-turns // workers) + form.out_channels / 2) * turn
        + form.outputs * form.itemsize * device.copy
        + (_CALLS + _SPECTRUM_CALLS * form.out_channels) * device.call
    )
    part = part_dtype(form)
    tile_bytes = tile_strides(part, how.tile)[0] * np.dtype(part).itemsize
    staged = _STAGED_TURNS * 2 * tile_bytes
    listed = _turns(form, how) * 2 * words(form.ndim) * 8
    held = (form.out_channels + device.workers) * tile_bytes + device.workers * staged
    return Cost(seconds, held + 2 * listed)


def run(
    form: NormalForm,
    x: RealArray,
    w: RealArray,
    out: RealArray,
    how: Tiling,
    device: Device,
    *,
    check: Check,
) -> None:
    """Fill ``out`` tile by tile; see `core.conv.algorithm.Run`."""
    turns, turn = _turns(form, how), _turn_seconds(form, device, how.tile)
    spectra = tile_memory(part_dtype(form), how.tile, form.out_channels)
    workers = device.workers if form.out_channels * turns * turn > _WORTH_A_THREAD else 1
    for_each(
        lambda o: spectrum(form, w[o, 0].astype(transform_dtype(form)), how.tile, spectra[o]),
        range(form.out_channels),
        check,
        min(workers, form.out_channels),
    )
    plain = form.bits is None and max(form.stride) == 1 and _is_plain(form, x, out)
    compute = _in_place if plain else _staged
    most = max(1, int(_CHUNK_SECONDS / turn)) if plain else _STAGED_TURNS
    chunk = min(most, -(-turns * form.out_channels // (_PIECES * workers)))
    job = _Job(form, x, out, how, spectra, SimpleQueue())
    for scratch in tile_memory(part_dtype(form), how.tile, workers):
        job.scratch.put(scratch)
    pieces = (
        (o, range(first, min(first + chunk, turns)))
        for o in range(form.out_channels)
        for first in range(0, turns, chunk)
    )
    for_each(lambda piece: compute(job, *piece), pieces, check, workers)


@dataclass(frozen=True)
class _Job:
    form: NormalForm
    x: RealArray
    out: RealArray
    how: Tiling
    spectra: RealArray
    scratch: SimpleQueue[RealArray]

    def convolve(self, tiles: Words, strides: Words, o: int) -> None:
        """Run the kernel on ``tiles`` with the spectrum of output channel ``o``."""
        kernel = tile_function(
            "convolve",
            str(self.spectra.dtype),
            self.how.tile,
            is_complex=self.form.is_complex,
        )
        scratch = self.scratch.get()
        try:
            kernel(tiles, strides, self.spectra[o], scratch)
        finally:
            self.scratch.put(scratch)


def _in_place(job: _Job, o: int, turns: range) -> None:
    # Straight from x and into out.
    form, x, out = job.form, job.x, job.out
    per_turn = tiles_per_turn(is_complex=form.is_complex)
    tiles = layout(form, job.how.tile, job.how.size, x.strides, out.strides)
    tiles = tiles[turns.start * per_turn : turns.stop * per_turn]
    c = o // (form.out_channels // form.groups)
    x_address = address(x) + c * x.strides[1]
    out_address = address(out) + o * out.strides[1]
    strides = np.array([*x.strides[2:-1], *out.strides[2:-1]], np.int64)
    job.convolve(placed(tiles, x_address, out_address, per_turn), strides, o)


def _staged(job: _Job, o: int, turns: range) -> None:
    # By way of copies, for other dtypes and strides.
    form, how = job.form, job.how
    per_turn = tiles_per_turn(is_complex=form.is_complex)
    shape = (form.batch, *(-(-n // m) for n, m in zip(form.out, how.size, strict=True)))
    first, last = turns.start * per_turn, min(turns.stop * per_turn, math.prod(shape))
    c = o // (form.out_channels // form.groups)
    full = form.span_of(how.size)
    dense = tuple(s - r for s, r in zip(full, form.reach, strict=True))
    results = np.empty((last - first, *dense), transform_dtype(form))
    listed: list[list[int]] = []
    copies: list[RealArray] = []
    targets: list[tuple[int | slice, ...]] = []
    for result, number in zip(results, range(first, last), strict=True):
        n, *cell = (int(i) for i in np.unravel_index(number, shape))
        at = tuple(i * m for i, m in zip(cell, how.size, strict=True))
        copy = read(job.x[n, c], form.first_input(at), how.tile, transform_dtype(form))
        copies.append(np.ascontiguousarray(copy))
        listed.append(whole_tile(how.tile, dense, address(copies[-1]), address(result)))
        targets.append((n, o, *(slice(a, a + m) for a, m in zip(at, how.size, strict=True))))
    strides = np.array([*copies[0].strides[:-1], *result.strides[:-1]], np.int64)
    job.convolve(placed(np.array(listed, np.int64), 0, 0, per_turn), strides, o)
    every = tuple(slice(None, None, s) for s in form.stride)
    for result, target in zip(results, targets, strict=True):
        wanted = job.out[target]
        part = result[every][tuple(slice(0, m) for m in wanted.shape)]
        wanted[...] = part if form.bits is None else np.rint(part)


def _is_plain(form: NormalForm, *arrays: RealArray) -> bool:
    # What the kernels can read and write as it lies in memory.
    return all(
        a.dtype == form.dtype and a.dtype.isnative and a.flags.aligned
        and a.strides[-1] == a.itemsize
        for a in arrays
    )  # fmt: skip


def _turns(form: NormalForm, how: Tiling) -> int:
    tiles = form.batch
    for n, m in zip(form.out, how.size, strict=True):
        tiles *= -(-n // m)
    return -(-tiles // tiles_per_turn(is_complex=form.is_complex))


def _turn_seconds(form: NormalForm, device: Device, tile: Shape) -> float:
    # From a tile and its spectrum that fit the second cache on, it takes longer by a third for
    # each doubling. A row is halved level by level, and stays in the cache for longer; but it
    # needs a factor for each of its points.
    points, part = math.prod(tile), part_dtype(form)
    touched = 2 * tile_strides(part, tile)[0] * np.dtype(part).itemsize
    row = len(tile) == 1
    doublings = max(0.0, math.log2(touched / (_CACHE_BYTES * (4 if row else 1))))
    factor = (1.4 if row else 1.0) * (1 + doublings / 3)
    return _TURN_SECONDS + device.fft_tile[part] * factor * points * math.log2(points)


def _outputs(form: NormalForm, tile: Shape) -> Shape:
    return tuple(
        min(m, (t - 1 - r) // s + 1)
        for m, t, r, s in zip(form.out, tile, form.reach, form.stride, strict=True)
    )
