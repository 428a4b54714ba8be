"""Convolution by generated tile FFTs, each output channel of an input channel of its own."""

from __future__ import annotations

from dataclasses import dataclass
from queue import SimpleQueue

from core.conv.algorithm import Cost
from core.conv.blocks import Check, for_each
from core.conv.codegen.fft_layout import BoxArray, in_pairs, input_boxes, moved, output_boxes
from core.conv.codegen.fft_run import RealArray, address, strides_of, tile_memory, transform
from core.conv.codegen.fft_spectrum import spectra
from core.conv.codegen.fft_staging import boxes_of, copied_in, copied_out, is_plain
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
# Array operations around a run, and for each channel.
_CALLS, _CHANNEL_CALLS = 40, 8


def cost(form: NormalForm, device: Device, how: Tiling) -> Cost:
    """Count the turns of the busiest core, and the calls around them."""
    turns, turn = form.out_channels * _turns(form, how), turn_seconds(form, device, how.tile)
    workers = _workers(form, device, how)
    seconds = (
        # Of a kernel there is the forward transform only.
        (-(-turns // workers) + form.out_channels / (2 * workers)) * turn
        + form.outputs * form.itemsize * device.copy
        + (_CALLS + _CHANNEL_CALLS * form.out_channels) * device.call
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
    job = _Job(form, x, out, how, kernels[:, 0], SimpleQueue())
    for memory in tile_memory(part_dtype(form), how.tile, workers):
        job.memories.put(memory)
    pieces = (
        (o, range(first, min(first + chunk, turns)))
        for o in range(form.out_channels)
        for first in range(0, turns, chunk)
    )
    for_each(lambda piece: (_in_place if plain else _staged)(job, *piece), pieces, check, workers)


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
    c, tiles = o // (form.out_channels // form.groups), _tiles(form, how, turns)
    some = slice(tiles.start, tiles.stop)
    inputs = input_boxes(form, how.tile, how.size, x.strides)[some]
    outputs = output_boxes(form, how.size, out.strides)[some]
    job.convolve(
        moved(inputs, address(x) + c * x.strides[1]),
        moved(outputs, address(out) + o * out.strides[1]),
        strides_of(x, out, form.ndim),
        o,
    )


def _staged(job: _Job, o: int, turns: range) -> None:
    # By way of copies, for other dtypes and strides: whole tiles in, whole tiles out.
    form, how = job.form, job.how
    c, tiles = o // (form.out_channels // form.groups), _tiles(form, how, turns)
    copies = copied_in(form, job.x, how, tiles, range(c, c + 1))
    # A result takes the place of its tile, which has been read by then.
    boxes = boxes_of(copies)[:, 0]
    job.convolve(boxes, boxes, strides_of(copies, copies, form.ndim), o)
    copied_out(form, copies, job.out, how, tiles, range(o, o + 1))


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
