"""Convolution by generated tile FFTs, each output channel of an input channel of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.conv.algorithm import Cost
from core.conv.blocks import Check, for_each
from core.conv.codegen.fft_layout import (
    BoxArray,
    boxes_of,
    evened,
    input_boxes,
    of_channels,
    output_boxes,
)
from core.conv.codegen.fft_memory import RealArray, thread_tiles
from core.conv.codegen.fft_run import strides_of, transform
from core.conv.codegen.fft_spectrum import spectra
from core.conv.codegen.fft_staging import copied_in, copied_out, is_plain
from core.conv.codegen.fft_tiling import part_dtype, tile_bytes, tile_count, turn_seconds
from core.conv.device import Device
from core.conv.normal import NormalForm
from core.conv.overlap_save import Tiling

# Between two checks lies at most about this much work, in seconds.
_CHUNK_SECONDS = 0.02
# A smaller share of the work than this is not worth another thread, or another piece, in seconds.
_WORTH_A_THREAD, _WORTH_A_PIECE = 3e-4, 3e-4
# Pieces of work for each thread, at most, so that all end at about the same time.
_PIECES = 4
# Array operations around a run, and for each piece of work.
_CALLS, _PIECE_CALLS = 45, 20


def cost(form: NormalForm, device: Device, how: Tiling) -> Cost:
    """Count the turns of the busiest core, and the calls around them."""
    workers, pieces = _pieces(form, device, how)
    turns, turn = form.out_channels * _turns(form, how), turn_seconds(form, device, how.tile)
    seconds = (
        # Of a kernel there is the forward transform only.
        (-(-turns // workers) + form.out_channels / (2 * workers)) * turn
        + form.outputs * form.itemsize * device.copy
        + (_CALLS + _PIECE_CALLS * pieces) * device.call
    )
    spectrum = tile_bytes(form, how.tile)
    # A turn's tiles, which results replace, and as much while they are read.
    staged = 2 * spectrum
    # Two lists of boxes for all tiles, and a few of the pieces that are at work.
    boxes = 2 * tile_count(form, how) * (1 + 2 * form.ndim) * 8
    listed = boxes + 3 * boxes * workers // max(1, pieces // form.out_channels)
    held = form.out_channels * spectrum + workers * (spectrum + staged) + listed
    return Cost(seconds, held)


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
    workers, count = _pieces(form, device, how)
    kernels = spectra(form, w, how.tile, in_pairs=False, check=check, workers=workers)
    plain, turns = is_plain(form, x, out), _turns(form, how)
    chunk = -(-turns * form.out_channels // count)
    if not plain:
        # Copies of more tiles would take more memory, and gain nothing.
        chunk = 1
    job = _Job(form, x, out, how, kernels[:, 0], plain)
    # Of channels with few tiles, several at a time.
    channels = max(1, chunk // turns)
    pieces = (
        (range(c, min(c + channels, form.out_channels)), range(t, min(t + chunk, turns)))
        for c in range(0, form.out_channels, channels)
        for t in range(0, turns, chunk)
    )
    for_each(lambda piece: _convolve(job, *piece), pieces, check, workers)


@dataclass(frozen=True)
class _Job:
    form: NormalForm
    x: RealArray
    out: RealArray
    how: Tiling
    spectra: RealArray
    plain: bool


def _convolve(job: _Job, channels: range, turns: range) -> None:
    form, x, out, how = job.form, job.x, job.out, job.how
    tiles = _tiles(form, how, turns)
    some = slice(tiles.start, tiles.stop)
    if job.plain:
        inputs = of_channels(input_boxes(form, how.tile, how.size, x.strides)[some], x, channels)
        outputs = of_channels(output_boxes(form, how.size, out.strides)[some], out, channels)
        strides = strides_of(x, out, form.ndim)
    else:
        # A result takes the place of its tile, which has been read by then.
        copies = copied_in(form, x, how, tiles, channels)
        inputs = outputs = boxes_of(copies, form.ndim)
        strides = strides_of(copies, copies, form.ndim)
    part = part_dtype(form)
    transform("convolve", part, how.tile, is_complex=form.is_complex)(
        _by_channel(form, inputs),
        _by_channel(form, outputs),
        strides,
        job.spectra[channels.start : channels.stop],
        thread_tiles(part, how.tile, (1,)),
    )
    if not job.plain:
        copied_out(form, copies, out, how, tiles, channels)


def _by_channel(form: NormalForm, boxes: BoxArray) -> BoxArray:
    # From (tiles, channels, words) to whole turns of one channel after the other.
    if not form.is_complex:
        boxes = evened(boxes, 0)
    return np.ascontiguousarray(boxes.swapaxes(0, 1)).reshape(-1, boxes.shape[-1])


def _turns(form: NormalForm, how: Tiling) -> int:
    return -(-tile_count(form, how) // _tiles_per_turn(form))


def _tiles(form: NormalForm, how: Tiling, turns: range) -> range:
    per_turn = _tiles_per_turn(form)
    return range(turns.start * per_turn, min(turns.stop * per_turn, tile_count(form, how)))


def _tiles_per_turn(form: NormalForm) -> int:
    return 1 if form.is_complex else 2


@lru_cache(maxsize=1024)
def _pieces(form: NormalForm, device: Device, how: Tiling) -> tuple[int, int]:
    # How many threads to use, and into how many pieces to cut the work for all of them.
    turns = form.out_channels * _turns(form, how)
    seconds = turns * turn_seconds(form, device, how.tile)
    if seconds <= _WORTH_A_THREAD or turns == 1:
        return 1, 1
    share = seconds / device.workers
    wanted = max(min(share / _WORTH_A_PIECE, _PIECES), share / _CHUNK_SECONDS, 1)
    return device.workers, min(device.workers * round(wanted), turns)
