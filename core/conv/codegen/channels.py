"""Convolution of many channels: gather a bundle into lanes, sum, scatter the result.

The inputs of a bundle lie as ``[channel][position][lane]``, so that every step of a sum is a
product of whole vectors whatever the stride, the dilation or the width of an image.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.conv.algorithm import Cost
from core.conv.blocks import Check, cores, for_each
from core.conv.codegen.channels_bundles import (
    Gather,
    Real,
    Scatter,
    cuts,
    distances,
    fastest,
    packed,
    padded_bytes,
    pitches,
    readable,
    threads,
)
from core.conv.codegen.channels_lanes import (
    Cut,
    Table,
    bundle_count,
    filled,
    scratch,
)
from core.conv.codegen.channels_sums import Tile, best_tile, kernel
from core.conv.codegen.target import host
from core.conv.device import Device, device_of
from core.conv.normal import NormalForm, Shape

DTYPES = ("float32", "float64")
# A bundle's inputs, and its outputs of one pass, stay in a core's own cache.
_BUNDLE_BYTES = 1 << 20
_OUTPUT_BYTES = 1 << 19
# The inputs of one tile stay in the first cache while all output channels pass by.
_TILE_BYTES = 1 << 15
# Inputs that come from a farther cache slow the sums down by about this factor.
_FAR = 1.1
# What a call of a kernel takes, and what the whole does besides, in array operations
# (`Device.call`).
_CALLS_PER_KERNEL, _CALLS = 3, 50


@dataclass(frozen=True)
class Method:
    """How a problem is computed.

    Parameters
    ----------
    cut : Cut
        Its bundles.
    tile : Tile
        The kernel.
    chunk : int
        Input channels that are summed at a time.
    pass_channels : int
        Output channels that are computed at a time; a multiple of the lanes.
    share : float
        Of the peak that the kernel reaches.
    """

    cut: Cut
    tile: Tile
    chunk: int
    pass_channels: int
    share: float


def supports(form: NormalForm) -> bool:
    """Return whether the kernels compute ``form``: real numbers, channels that share something."""
    return form.dtype in DTYPES and max(form.group_channels, form.out_channels // form.groups) > 1


def cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    """Return the cost of the best way to cut the problem that the cap allows."""
    return choose(form, device, memory_cap)[0]


def run(
    form: NormalForm, x: Real, w: Real, out: Real, *, check: Check, memory_cap: int | None
) -> None:
    """Fill ``out``; see `core.conv.algorithm.Run`. NaN and infinity in ``x`` stay where they are.

    Examples
    --------
    >>> from core.conv.blocks import never
    >>> form = NormalForm(1, 2, 1, 1, (3,), (2,), (0,), (4,), (1,), (1,), "float32")
    >>> x, w, out = np.ones((1, 2, 3)), np.ones((1, 2, 2), "f4"), np.empty((1, 1, 4), "f4")
    >>> run(form, x, w, out, check=never, memory_cap=None)
    >>> out
    array([[[2., 4., 4., 2.]]], dtype=float32)
    """
    _, method = choose(form, device_of(x), memory_cap)
    x, form = readable(form, x, method.cut)
    gather, scatter = Gather(form, method.cut, x), Scatter(form, method.cut, out)
    sums = _Sums(form, method, packed_weights(form, w))

    def work(bundle: int) -> None:
        inputs = scratch("inputs", gather.shape, form.dtype)
        for group in range(form.groups):
            gather(bundle, group * form.group_channels, inputs)
            for channel, count, vectors in sums.passes(inputs, group):
                scatter(bundle, channel, count, vectors)

    count = bundle_count(form, method.cut, method.tile.lanes)
    for_each(work, range(count), check, threads(form, cores()))


def packed_weights(form: NormalForm, w: Real) -> Real:
    """Return the weights as ``(group, block of channels, step, channel of the block)``.

    A step is an input channel and a tap, in the order of the input. The last block of a group
    repeats its first channel where there are none left.
    """
    channels = np.arange(form.out_channels).reshape(form.groups, -1)
    blocks = [filled(group, host().lanes(form.itemsize)) for group in channels]
    vectors = packed(w, np.concatenate(blocks), form.dtype)
    return vectors.reshape(form.groups, -1, *vectors.shape[1:])


class _Sums:
    """All output channels of a bundle's group, some at a time."""

    def __init__(self, form: NormalForm, method: Method, weights: Real) -> None:
        self.form, self.method, self.weights = form, method, weights
        self.kernel = kernel(method.tile)
        self.offsets = _steps(form, method.cut.size, method.chunk)
        self.places = _places(form, method.cut.size, method.tile)

    def passes(self, inputs: Real, group: int) -> Iterator[tuple[int, int, Real]]:
        """Yield the first channel, their number, and the sums of each pass: scratch memory."""
        form, method, tile = self.form, self.method, self.method.tile
        per_group = form.out_channels // form.groups
        for first in range(0, per_group, method.pass_channels):
            count = min(method.pass_channels, per_group - first)
            panels = -(-count // tile.panel)
            shape = (panels * tile.panel, *method.cut.size, tile.lanes)
            sums = scratch("sums", shape, form.dtype)
            weights = self.weights[group, first // tile.lanes]
            for channel in range(0, form.group_channels, method.chunk):
                channels = min(method.chunk, form.group_channels - channel)
                self.kernel(
                    inputs[channel].ctypes.data,
                    self.offsets.ctypes.data,
                    weights[channel * form.taps].ctypes.data,
                    self.places.ctypes.data,
                    sums.ctypes.data,
                    channels * form.taps,
                    panels,
                    len(self.places),
                    weights.size,
                    sums[0].size,
                    int(channel > 0),
                )
            yield group * per_group + first, count, sums


@lru_cache(maxsize=256)
def _steps(form: NormalForm, size: Shape, channels: int) -> Table:
    # How far from a patch's first input each step of the sum finds its own.
    span = (channels, *form.span_of(size))
    counts = ((channels, 1), *zip(form.kernel, form.dilation, strict=True))
    apart = pitches(span, host().lanes(form.itemsize))
    return distances([(n, d * p) for (n, d), p in zip(counts, apart, strict=True)])


@lru_cache(maxsize=256)
def _places(form: NormalForm, size: Shape, tile: Tile) -> Table:
    # Where each tile begins, in the inputs and in the outputs; the weights are the same for all.
    span = form.span_of(size)
    sources, targets = pitches(span, tile.lanes), pitches(size, tile.lanes)
    columns = [min(i, size[-1] - tile.vectors) for i in range(0, size[-1], tile.vectors)]
    both = []
    for apart, strides in ((sources, form.stride), (targets, (1,) * form.ndim)):
        steps = [(n, s * p) for n, s, p in zip(size, strides, apart, strict=True)]
        both.append(np.add.outer(distances(steps[:-1]), np.array(columns) * steps[-1][1]).ravel())
    return np.stack([*both, np.zeros_like(both[0])], axis=1)


@lru_cache(maxsize=1024)
def choose(form: NormalForm, device: Device, memory_cap: int | None) -> tuple[Cost, Method]:
    """Return the fastest way to cut the problem that the cap allows, and its cost."""
    return fastest([(_price(form, m, device), m) for m in _methods(form)], memory_cap)


def _methods(form: NormalForm) -> Iterator[Method]:
    lanes = host().lanes(form.itemsize)
    per_group = form.out_channels // form.groups
    for cut in cuts(form, form.out_channels * form.group_channels * form.taps):
        size = cut.size
        block = lanes * math.prod(size) * lanes * form.itemsize
        passing = lanes * max(1, _OUTPUT_BYTES // block)
        of_row = form.dtype, size[-1], per_group, form.stride[-1], host()
        tile, share = best_tile(*of_row)
        if _chunk(form, tile) < form.group_channels:
            # The chunks' sums are added up, so an output must not be in two tiles.
            tile, share = best_tile(*of_row, divides=True)
        yield Method(cut, tile, _chunk(form, tile), passing, share)


def _chunk(form: NormalForm, tile: Tile) -> int:
    rows = math.prod(form.kernel[:-1])
    row = (tile.vectors - 1) * form.stride[-1] + 1 + form.reach[-1]
    fitting = _TILE_BYTES // (rows * row * tile.lanes * form.itemsize)
    return max(1, min(form.group_channels, fitting))


def _price(form: NormalForm, method: Method, device: Device) -> Cost:
    lanes, size = method.tile.lanes, method.cut.size
    per_group = form.out_channels // form.groups
    count = bundle_count(form, method.cut, lanes)
    outputs = math.prod(size) * form.out_channels * lanes
    inputs = math.prod(form.span_of(size)) * form.in_channels * lanes
    sums = outputs * form.group_channels * form.taps * device.direct[form.dtype] / method.share
    if inputs // form.groups * form.itemsize > _BUNDLE_BYTES:
        sums *= _FAR
    moves = (inputs + outputs) * form.itemsize * device.copy
    passes = -(-per_group // method.pass_channels)
    calls = form.groups * (2 + passes * (1 + -(-form.group_channels // method.chunk)))
    overhead = calls * _CALLS_PER_KERNEL * device.call / device.workers
    workers = threads(form, device.workers)
    idle = -(-count // workers) * device.workers
    padded = padded_bytes(form, method.cut)
    weights = form.out_channels * form.group_channels * form.taps * form.itemsize
    prepared = (3 * padded + 2 * device.workers * weights) * device.copy
    seconds = idle * (sums + moves + overhead) + prepared + _CALLS * device.call
    held = inputs // form.groups + method.pass_channels * math.prod(size) * lanes
    return Cost(seconds, held * form.itemsize * device.workers + padded + weights)
