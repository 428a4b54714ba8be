"""Convolution of many channels: gather a bundle into lanes, sum, scatter the result.

The inputs of a bundle lie as ``[channel][position][lane]``, so that every step of a sum is a
product of whole vectors whatever the stride, the dilation or the width of an image.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from core.conv.algorithm import Cost
from core.conv.blocks import Check, cores, for_each
from core.conv.codegen.channels_lanes import (
    Bundle,
    Cut,
    Table,
    addresses,
    bundle_count,
    bundles,
    gather,
    runs,
    scatter,
    scratch,
)
from core.conv.codegen.channels_sums import Tile, best_tile, kernel
from core.conv.codegen.target import host
from core.conv.device import Device, device_of
from core.conv.normal import NormalForm, Shape, read

DTYPES = ("float32", "float64")
# Dtypes of inputs that are converted while they are gathered; others are converted before.
_ELEMENTS = ("float16", "float32", "float64", "uint8", "int8", "uint16", "int16", "int32")
# A bundle's inputs, and its outputs of one pass, stay in a core's own cache.
_BUNDLE_BYTES = 1 << 20
_OUTPUT_BYTES = 1 << 19
# The inputs of one tile stay in the first cache while all output channels pass by.
_TILE_BYTES = 1 << 15
# Between two checks lies a bundle: at most some 50 ms of work.
_BUNDLE_MULTIPLY_ADDS = 1 << 32
# Inputs that come from a farther cache slow the sums down by about this factor.
_FAR = 1.1
# What a call of a kernel takes, in array operations (`Device.call`).
_CALLS_PER_KERNEL = 3

Real = np.ndarray[Any, np.dtype[Any]]


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
    """

    cut: Cut
    tile: Tile
    chunk: int
    pass_channels: int


def cost(form: NormalForm, device: Device) -> Cost:
    """Return the cost of the best way to cut the problem."""
    seconds, method = choose(form, device)
    return Cost(seconds, _held(form, method) * min(device.workers, cores()) + _padded(form, method))


def run(form: NormalForm, x: Real, w: Real, out: Real, check: Check) -> None:
    """Fill ``out``; see `core.conv.algorithm.Run`. NaN and infinity in ``x`` stay where they are.

    Examples
    --------
    >>> from core.conv.blocks import never
    >>> form = NormalForm(1, 2, 1, 1, (3,), (2,), (0,), (4,), (1,), (1,), "float32")
    >>> x, w, out = np.ones((1, 2, 3)), np.ones((1, 2, 2), "f4"), np.empty((1, 1, 4), "f4")
    >>> run(form, x, w, out, never)
    >>> out
    array([[[2., 4., 4., 2.]]], dtype=float32)
    """
    _, method = choose(form, device_of(x))
    weights = packed_weights(form, w)
    x, form = _readable(form, x, method.cut)

    def work(bundle: Bundle) -> None:
        for group in range(form.groups):
            inputs = gathered(form, x, method.cut, bundle, group)
            _sum_group(form, inputs, weights[group], out, method, bundle, group)

    for_each(work, bundles(form, method.cut, method.tile.lanes), check, cores())


def packed_weights(form: NormalForm, w: Real) -> Real:
    """Return the weights as ``(group, block of channels, step, channel of the block)``.

    A step is an input channel and a tap, in the order of the input.
    """
    lanes = host().lanes(form.itemsize)
    ahead = np.ascontiguousarray(w[(..., *(slice(None, None, -1),) * form.ndim)])
    per_group, steps = form.out_channels // form.groups, form.group_channels * form.taps
    blocks = -(-per_group // lanes)
    packed = np.empty((form.groups, blocks, steps, lanes), form.dtype)
    box = runs((1,), (steps,), (0,), (steps,), lanes)
    for group, block in itertools.product(range(form.groups), range(blocks)):
        channels = range(block * lanes, min((block + 1) * lanes, per_group))
        offsets = [(group * per_group + o) * steps for o in channels]
        gather(ahead, addresses(ahead, offsets, lanes), box, packed[group, block])
    return packed


def gathered(form: NormalForm, x: Real, cut: Cut, bundle: Bundle, group: int) -> Real:
    """Return the inputs of a bundle's group as ``(channel, *positions, lane)``: scratch."""
    lanes = host().lanes(form.itemsize)
    span = (form.group_channels, *form.span_of(cut.size))
    inputs = scratch("inputs", (*span, lanes), form.dtype)
    strides = tuple(s // x.itemsize for s in x.strides)
    channel = group * form.group_channels * strides[1]
    firsts = [form.first_input(corner) for corner in bundle.corners]
    if cut.by_image:
        # The same patch of all images: what lies outside is the same for all.
        begin, offsets = firsts[0], [n * strides[0] + channel for n in bundle.images]
    else:
        begin = (0,) * form.ndim
        offsets = [
            n * strides[0] + channel + sum(f * s for f, s in zip(first, strides[2:], strict=True))
            for n, first in zip(bundle.images, firsts, strict=True)
        ]
    sizes = (form.group_channels, *form.spatial)
    box = runs(strides[1:], sizes, (0, *begin), span, lanes)
    gather(x, addresses(x, offsets, lanes), box, inputs)
    return inputs


def scattered(
    form: NormalForm, vectors: Real, out: Real, bundle: Bundle, channel: int, count: int
) -> None:
    """Write ``vectors``, ``(channel, *positions, lane)``, to ``count`` channels of ``out``."""
    lanes, size = vectors.shape[-1], vectors.shape[1:-1]
    strides = tuple(s // out.itemsize for s in out.strides)
    offsets = [
        n * strides[0]
        + channel * strides[1]
        + sum(i * s for i, s in zip(corner, strides[2:], strict=True))
        for n, corner in zip(bundle.images, bundle.corners, strict=True)
    ]
    span = (count, *size)
    box = runs(strides[1:], (count, *form.out), (0,) * len(span), span, lanes)
    scatter(addresses(out, offsets, lanes), box, vectors)


def _sum_group(
    form: NormalForm,
    inputs: Real,
    weights: Real,
    out: Real,
    method: Method,
    bundle: Bundle,
    group: int,
) -> None:
    tile, size = method.tile, method.cut.size
    per_group, steps = form.out_channels // form.groups, weights.shape[1]
    offsets, places = _steps(form, size, method.chunk), _places(form, size, tile)
    function = kernel(tile)
    for first in range(0, per_group, method.pass_channels):
        count = min(method.pass_channels, per_group - first)
        panels = -(-count // tile.panel)
        sums = scratch("sums", (panels * tile.panel, *size, tile.lanes), form.dtype)
        for channel in range(0, form.group_channels, method.chunk):
            channels = min(method.chunk, form.group_channels - channel)
            function(
                inputs[channel:].ctypes.data,
                offsets.ctypes.data,
                weights[first // tile.lanes, channel * form.taps :].ctypes.data,
                places.ctypes.data,
                sums.ctypes.data,
                channels * form.taps,
                panels,
                len(places),
                steps * tile.lanes,
                sums[0].size,
                int(channel > 0),
            )
        scattered(form, sums, out, bundle, group * per_group + first, count)


def _readable(form: NormalForm, x: Real, cut: Cut) -> tuple[Real, NormalForm]:
    # Patches of different places must all lie inside of what they are gathered from; rows must
    # lie in one piece, of a dtype that is converted on the way.
    if not cut.by_image and _sticks_out(form):
        x = read(x, form.first_input((0,) * form.ndim), form.span, x.dtype.name)
        form = replace(form, spatial=form.span, start=form.reach)
    if x.dtype.name not in _ELEMENTS or not x.dtype.isnative:
        x = x.astype(form.dtype)
    if x.strides[-1] != x.itemsize or any(s % x.itemsize for s in x.strides):
        x = np.ascontiguousarray(x)
    return x, form


def _sticks_out(form: NormalForm) -> bool:
    first = form.first_input((0,) * form.ndim)
    return any(
        f < 0 or f + m > n for f, m, n in zip(first, form.span, form.spatial, strict=True)
    )


@lru_cache(maxsize=256)
def _steps(form: NormalForm, size: Shape, channels: int) -> Table:
    # How far from a patch's first input each step of the sum finds its own.
    span = (channels, *form.span_of(size))
    pitches = _pitches(span, host().lanes(form.itemsize))
    counts = ((channels, 1), *zip(form.kernel, form.dilation, strict=True))
    return _distances([(n, d * p) for (n, d), p in zip(counts, pitches, strict=True)])


@lru_cache(maxsize=256)
def _places(form: NormalForm, size: Shape, tile: Tile) -> Table:
    # Where each tile begins, in the inputs and in the outputs.
    span = form.span_of(size)
    sources, targets = _pitches(span, tile.lanes), _pitches(size, tile.lanes)
    columns = [min(i, size[-1] - tile.vectors) for i in range(0, size[-1], tile.vectors)]
    both = []
    for pitches, strides in ((sources, form.stride), (targets, (1,) * form.ndim)):
        steps = [(n, s * p) for n, s, p in zip(size, strides, pitches, strict=True)]
        rows = _distances(steps[:-1]) if len(steps) > 1 else np.zeros(1, np.int64)
        both.append(np.add.outer(rows, np.array(columns) * steps[-1][1]).ravel())
    return np.stack(both, axis=1)


def _pitches(shape: Shape, lanes: int) -> Shape:
    return tuple(math.prod(shape[axis + 1 :]) * lanes for axis in range(len(shape)))


def _distances(steps: list[tuple[int, int]]) -> Table:
    total = np.zeros(1, np.int64)
    for count, step in steps:
        total = np.add.outer(total, np.arange(count, dtype=np.int64) * step).ravel()
    return total


@lru_cache(maxsize=1024)
def choose(form: NormalForm, device: Device) -> tuple[float, Method]:
    """Return the predicted seconds and the method of the fastest way to cut the problem."""
    return min(
        ((_seconds(form, method, device), method) for method in _methods(form)),
        key=lambda priced: priced[0],
    )


def _methods(form: NormalForm) -> Iterator[Method]:
    lanes = host().lanes(form.itemsize)
    per_group = form.out_channels // form.groups
    for by_image, size in itertools.product((True, False), itertools.product(*map(_sizes, form.out))):
        work = lanes * math.prod(size) * form.out_channels * form.group_channels * form.taps
        if work > _BUNDLE_MULTIPLY_ADDS and math.prod(size) > 1:
            continue
        tile, _ = best_tile(form.dtype, size[-1], per_group, form.stride[-1], host())
        rows = math.prod(form.kernel[:-1])
        row = (tile.vectors - 1) * form.stride[-1] + 1 + form.reach[-1]
        chunk = max(1, min(form.group_channels, _TILE_BYTES // (rows * row * lanes * form.itemsize)))
        block = lanes * math.prod(size) * lanes * form.itemsize
        yield Method(Cut(size, by_image), tile, chunk, lanes * max(1, _OUTPUT_BYTES // block))


def _sizes(n: int) -> list[int]:
    # Lengths of patches that leave little over: an axis cut into equal parts.
    return sorted({-(-n // parts) for parts in range(1, n + 1)})


def _seconds(form: NormalForm, method: Method, device: Device) -> float:
    lanes, size = method.tile.lanes, method.cut.size
    per_group = form.out_channels // form.groups
    count = bundle_count(form, method.cut, lanes)
    _, share = best_tile(form.dtype, size[-1], per_group, form.stride[-1], host())
    outputs = math.prod(size) * form.out_channels * lanes
    inputs = math.prod(form.span_of(size)) * form.in_channels * lanes
    sums = outputs * form.group_channels * form.taps * device.gemm[form.dtype] / share
    if inputs // form.groups * form.itemsize > _BUNDLE_BYTES:
        sums *= _FAR
    moves = 2 * (inputs + outputs) * form.itemsize * device.copy
    passes = -(-per_group // method.pass_channels)
    calls = form.groups * (2 + passes * (1 + -(-form.group_channels // method.chunk)))
    overhead = calls * _CALLS_PER_KERNEL * device.call / device.workers
    idle = -(-count // device.workers) * device.workers
    padding = 3 * _padded(form, method) * device.copy
    return idle * (sums + moves + overhead) + padding


def _padded(form: NormalForm, method: Method) -> int:
    # Bytes of the copy with zeros around that patches of different places need.
    if method.cut.by_image or not _sticks_out(form):
        return 0
    return form.batch * form.in_channels * math.prod(form.span) * form.itemsize


def _held(form: NormalForm, method: Method) -> int:
    # Bytes of scratch per thread.
    size, lanes = method.cut.size, method.tile.lanes
    inputs = form.group_channels * math.prod(form.span_of(size))
    return (inputs + method.pass_channels * math.prod(size)) * lanes * form.itemsize
