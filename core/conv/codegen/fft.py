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
from core.conv.codegen.fft_layout import (
    BoxArray,
    in_pairs,
    input_boxes,
    kernel_boxes,
    moved,
    output_boxes,
)
from core.conv.codegen.fft_run import RealArray, address, strides_of, tile_memory, transform
from core.conv.codegen.fft_spectrum import spectra
from core.conv.codegen.fft_tile import least_row, tile_strides
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
    listed = _turns(form, how) * 2 * 2 * (1 + 2 * form.ndim) * 8
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
    workers = device.workers if form.out_channels * turns * turn > _WORTH_A_THREAD else 1
    kernels = spectra(form, w, how.tile, in_pairs=False, check=check, workers=workers)
    plain = form.bits is None and max(form.stride) == 1 and _is_plain(form, x, out)
    compute = _in_place if plain else _staged
    most = max(1, int(_CHUNK_SECONDS / turn)) if plain else _STAGED_TURNS
    chunk = min(most, -(-turns * form.out_channels // (_PIECES * workers)))
    job = _Job(form, x, out, how, kernels[:, 0], SimpleQueue())
    for memory in tile_memory(part_dtype(form), how.tile, workers):
        job.memories.put(memory)
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
    memories: SimpleQueue[RealArray]

    def convolve(self, inputs: BoxArray, outputs: BoxArray, strides: BoxArray, o: int) -> None:
        """Convolve tiles with the kernel of output channel ``o``."""
        is_complex = self.form.is_complex
        kernel = transform("convolve", part_dtype(self.form), self.how.tile, is_complex=is_complex)
        if not is_complex:
            inputs, outputs = in_pairs(inputs), in_pairs(outputs)
        memory = self.memories.get()
        try:
            kernel(inputs, outputs, strides, self.spectra[o], memory)
        finally:
            self.memories.put(memory)


def _in_place(job: _Job, o: int, turns: range) -> None:
    # Straight from x and into out.
    form, x, out, how = job.form, job.x, job.out, job.how
    c = o // (form.out_channels // form.groups)
    tiles = _tiles(form, turns)
    inputs = input_boxes(form, how.tile, how.size, x.strides)[tiles]
    outputs = output_boxes(form, how.size, out.strides)[tiles]
    job.convolve(
        moved(inputs, address(x) + c * x.strides[1]),
        moved(outputs, address(out) + o * out.strides[1]),
        strides_of(x, out, form.ndim),
        o,
    )


def _staged(job: _Job, o: int, turns: range) -> None:
    # By way of copies, for other dtypes and strides: whole tiles in, whole results out.
    form, how = job.form, job.how
    c, dtype = o // (form.out_channels // form.groups), transform_dtype(form)
    grid = (form.batch, *(-(-n // m) for n, m in zip(form.out, how.size, strict=True)))
    numbers = range(math.prod(grid))[_tiles(form, turns)]
    inputs = np.empty((len(numbers), *how.tile), dtype)
    results = np.empty_like(inputs)
    where: list[tuple[int | slice, ...]] = []
    for copy, number in zip(inputs, numbers, strict=True):
        n, *cell = map(int, np.unravel_index(number, grid))
        at = tuple(i * m for i, m in zip(cell, how.size, strict=True))
        copy[...] = read(job.x[n, c], form.first_input(at), how.tile, dtype)
        where.append((n, o, *(slice(a, a + m) for a, m in zip(at, how.size, strict=True))))
    boxes = kernel_boxes(len(numbers), inputs.strides[0], how.tile)
    strides = strides_of(inputs, results, form.ndim)
    job.convolve(moved(boxes, address(inputs)), moved(boxes, address(results)), strides, o)
    for result, place in zip(results, where, strict=True):
        wanted = job.out[place]
        part = result[
            tuple(
                slice(r, r + (m - 1) * s + 1, s)
                for r, m, s in zip(form.reach, wanted.shape, form.stride, strict=True)
            )
        ]
        wanted[...] = part if form.bits is None else np.rint(part)


def _tiles(form: NormalForm, turns: range) -> slice:
    per_turn = _tiles_per_turn(form)
    return slice(turns.start * per_turn, turns.stop * per_turn)


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
    return -(-tiles // _tiles_per_turn(form))


def _tiles_per_turn(form: NormalForm) -> int:
    return 1 if form.is_complex else 2


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
