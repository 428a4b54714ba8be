"""Convolution by generated tile FFTs, each output channel of an input channel of its own."""

from __future__ import annotations

from dataclasses import dataclass

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
# A smaller share of the work than this is not worth another thread, in seconds.
_WORTH_A_THREAD = 4e-5
# Turns whose tiles are copied and converted at a time.
_STAGED_TURNS = 2
# Pieces of work for each thread, so that all end at about the same time.
_PIECES = 4
# Array operations around a run, and for each piece of work.
_CALLS, _PIECE_CALLS = 40, 20


def cost(form: NormalForm, device: Device, how: Tiling) -> Cost:
    """Count the turns of the busiest core, and the calls around them."""
    turns, turn = form.out_channels * _turns(form, how), turn_seconds(form, device, how.tile)
    workers = _workers(form, device, how)
    seconds = (
        # Of a kernel there is the forward transform only.
        (-(-turns // workers) + form.out_channels / (2 * workers)) * turn
        + form.outputs * form.itemsize * device.copy
        + (_CALLS + _PIECE_CALLS * min(turns, _PIECES * workers)) * device.call
    )
    spectrum = tile_bytes(form, how.tile)
    staged = 2 * _STAGED_TURNS * spectrum
    # Two lists of boxes for all tiles, and the pieces of them that are at work.
    listed = 4 * tile_count(form, how) * (1 + 2 * form.ndim) * 8
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
    turns, workers = _turns(form, how), _workers(form, device, how)
    kernels = spectra(form, w, how.tile, in_pairs=False, check=check, workers=workers)
    plain = is_plain(form, x, out)
    turn = turn_seconds(form, device, how.tile)
    most = max(1, int(_CHUNK_SECONDS / turn)) if plain else _STAGED_TURNS
    chunk = min(most, -(-turns * form.out_channels // (_PIECES * workers)))
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


def _workers(form: NormalForm, device: Device, how: Tiling) -> int:
    seconds = form.out_channels * _turns(form, how) * turn_seconds(form, device, how.tile)
    return device.workers if seconds > _WORTH_A_THREAD else 1
