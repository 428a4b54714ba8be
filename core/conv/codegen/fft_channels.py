"""Convolution of many channels by generated tile FFTs.

Each input channel is transformed once for all output channels, the channels are summed in the
frequency domain, and each output channel is transformed back once. Of real arrays two things ride
in one complex tile: two tiles of the input, or two output channels, by kernels that are
``w[o] + 1j * w[o + 1]``. The latter takes twice as many transforms of inputs and half as many of
kernels, which take half the memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.conv.algorithm import Cost
from core.conv.blocks import Check, for_each
from core.conv.codegen.fft_layout import (
    BoxArray,
    boxes_of,
    emptied,
    evened,
    input_boxes,
    interleaved,
    of_channels,
    output_boxes,
)
from core.conv.codegen.fft_memory import RealArray, thread_tiles
from core.conv.codegen.fft_product import product
from core.conv.codegen.fft_run import strides_of, transform
from core.conv.codegen.fft_spectrum import spectra
from core.conv.codegen.fft_staging import copied_in, copied_out, is_plain
from core.conv.codegen.fft_tiling import part_dtype, tile_bytes, tile_count, turn_seconds
from core.conv.device import Device
from core.conv.normal import NormalForm
from core.conv.overlap_save import Tiling

# Between two checks lies at most about this much work, in seconds.
_CHUNK_SECONDS = 0.02
# Array operations around a run, and for each piece of work.
_CALLS, _PIECE_CALLS = 60, 60


@dataclass(frozen=True)
class _Shape:
    """How the work is arranged, per group of channels.

    ``units`` complex tiles of input are transformed for each of ``channels``, multiplied with
    ``results`` kernels for each, and so many results are transformed back. A unit is
    ``tiles_per_unit`` tiles, and a result ``outputs_per_result`` output channels.
    """

    units: int
    channels: int
    results: int
    tiles_per_unit: int
    outputs_per_result: int

    @property
    def transforms(self) -> float:
        """Forward and inverse transforms, in turns of both.

        Kernels are mostly empty tiles, and are counted by half of that, since their spectra are
        kept: a network sees the same kernels again and again.
        """
        inputs = self.units * (self.channels + self.results)
        return inputs / 2 + 0.2 * self.results * self.channels

    @property
    def products(self) -> int:
        """Products of spectra."""
        return self.units * self.channels * self.results


def cost(form: NormalForm, device: Device, how: Tiling) -> Cost:
    """Count transforms, products, and the calls around them."""
    shape, turn = _shape(form, how), turn_seconds(form, device, how.tile)
    product_seconds = device.fft_tile[part_dtype(form)] * np.prod(how.tile)
    spectrum = tile_bytes(form, how.tile)
    kernel_bytes = form.groups * shape.results * shape.channels * spectrum
    block = _block(form, device, how)
    pieces = form.groups * -(-shape.units // block)
    workers = min(device.workers, pieces)
    work = form.groups * (shape.transforms * turn + shape.products * product_seconds)
    uneven = -(-pieces // workers) * workers / pieces
    seconds = (
        work / workers * uneven
        + form.outputs * form.itemsize * device.copy
        # Kernels' spectra are read for each piece.
        + kernel_bytes * (1 + pieces / form.groups) / 2 * device.copy
        + (_CALLS + _PIECE_CALLS * pieces) * device.call
    )
    per_worker = block * (shape.channels + shape.results) * spectrum
    held = kernel_bytes + 2 * workers * per_worker
    listed = 4 * tile_count(form, how) * (1 + 2 * form.ndim) * 8
    return Cost(float(seconds), held + listed)


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
    """Fill ``out``, some tiles of all channels at a time; see `core.conv.algorithm.Run`."""
    shape, block = _shape(form, how), _block(form, device, how)
    pairs = shape.outputs_per_result == 2
    kernels = spectra(form, w, how.tile, in_pairs=pairs, check=check, workers=device.workers)
    pieces = [
        (group, range(first, min(first + block, shape.units)))
        for group in range(form.groups)
        for first in range(0, shape.units, block)
    ]
    job = _Job(form, x, out, how, shape, kernels, is_plain(form, x, out))
    for_each(lambda piece: _convolve(job, *piece), pieces, check, device.workers)


@dataclass(frozen=True)
class _Job:
    form: NormalForm
    x: RealArray
    out: RealArray
    how: Tiling
    shape: _Shape
    spectra: RealArray
    plain: bool


def _convolve(job: _Job, group: int, units: range) -> None:
    form, how, shape = job.form, job.how, job.shape
    per_group = form.out_channels // form.groups
    channels = range(group * shape.channels, (group + 1) * shape.channels)
    outputs = range(group * per_group, (group + 1) * per_group)
    tiles = range(
        units.start * shape.tiles_per_unit,
        min(units.stop * shape.tiles_per_unit, tile_count(form, how)),
    )
    some = slice(tiles.start, tiles.stop)
    if job.plain:
        x_boxes = of_channels(
            input_boxes(form, how.tile, how.size, job.x.strides)[some], job.x, channels
        )
        out_boxes = of_channels(
            output_boxes(form, how.size, job.out.strides)[some], job.out, outputs
        )
        strides = strides_of(job.x, job.out, form.ndim)
    else:
        copies = copied_in(form, job.x, how, tiles, channels)
        results = np.empty((len(tiles), per_group, *how.tile), copies.dtype)
        x_boxes, out_boxes = boxes_of(copies, form.ndim), boxes_of(results, form.ndim)
        strides = strides_of(copies, results, form.ndim)
    part = part_dtype(form)
    forward, inverse = (
        transform(task, part, how.tile, is_complex=form.is_complex)
        for task in ("forward", "inverse")
    )
    kernels = job.spectra[group * shape.results : (group + 1) * shape.results]
    spectra_before = len(units) * shape.channels
    memory = thread_tiles(part, how.tile, (len(units) * (shape.channels + shape.results),))
    before, after = memory[:spectra_before], memory[spectra_before:]
    listed = _input_turns(form, shape, x_boxes)
    forward(listed, listed, strides, before, before)
    product(part, memory.shape[-1], len(units), shape.results)(
        before.reshape(len(units), shape.channels, -1),
        kernels,
        after.reshape(len(units), shape.results, -1),
    )
    listed = _output_turns(form, shape, out_boxes)
    inverse(listed, listed, strides, after, after)
    if not job.plain:
        copied_out(form, results, job.out, how, tiles, outputs)


def _input_turns(form: NormalForm, shape: _Shape, boxes: BoxArray) -> BoxArray:
    # From (tiles, channels, words) to what rides together, in the order of units and channels.
    words = boxes.shape[-1]
    if form.is_complex:
        return boxes.reshape(-1, words)
    if shape.tiles_per_unit == 1:
        alone = boxes.reshape(-1, words)
        return interleaved(alone, emptied(alone))
    return _riding(boxes, 0)


def _output_turns(form: NormalForm, shape: _Shape, boxes: BoxArray) -> BoxArray:
    # From (tiles, outputs, words) to what rides together, in the order of units and results.
    if form.is_complex:
        return boxes.reshape(-1, boxes.shape[-1])
    return _riding(boxes, 0 if shape.tiles_per_unit == 2 else 1)


def _riding(boxes: BoxArray, axis: int) -> BoxArray:
    # Neighbours along an axis in turn; an odd last one rides with nothing.
    words, boxes = boxes.shape[-1], evened(boxes, axis)
    first, second = (boxes[i::2] if axis == 0 else boxes[:, i::2] for i in (0, 1))
    return interleaved(first.reshape(-1, words), second.reshape(-1, words))


def _shape(form: NormalForm, how: Tiling) -> _Shape:
    tiles, channels = tile_count(form, how), form.group_channels
    outputs = form.out_channels // form.groups
    if form.is_complex:
        return _Shape(tiles, channels, outputs, 1, 1)
    by_tiles = _Shape(-(-tiles // 2), channels, outputs, 2, 1)
    by_outputs = _Shape(tiles, channels, -(-outputs // 2), 1, 2)
    return min(by_outputs, by_tiles, key=lambda shape: (shape.transforms, shape.products))


def _block(form: NormalForm, device: Device, how: Tiling) -> int:
    # Units at a time.
    shape = _shape(form, how)
    seconds = (shape.channels + shape.results) * turn_seconds(form, device, how.tile) / 2
    share = -(-form.groups * shape.units // device.workers)
    most = min(how.images // shape.tiles_per_unit, int(_CHUNK_SECONDS / seconds), share)
    return max(1, min(most, shape.units))
