"""Depthwise convolution: every output channel has one input channel and a kernel of its own.

The lanes of a bundle are planes: pairs of an image and an output channel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from core.conv.algorithm import Cost
from core.conv.blocks import Check, cores, for_each
from core.conv.codegen.channels import DTYPES
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
from core.conv.codegen.channels_depthwise import Tile, best_tile, kernel
from core.conv.codegen.channels_lanes import (
    Cut,
    Table,
    bundle_count,
    bundles,
    scratch,
)
from core.conv.codegen.target import host
from core.conv.device import Device, device_of
from core.conv.normal import NormalForm, Shape

_BUNDLE_BYTES = 1 << 20
_MOST_ROWS = 6
# Inputs that come from a farther cache slow the sums down by about this factor.
_FAR = 1.1
# What the calls for a bundle take, in array operations (`Device.call`).
_CALLS = 12


@dataclass(frozen=True)
class Method:
    """How a problem is computed: its bundles, and the kernel."""

    cut: Cut
    tile: Tile


@lru_cache(maxsize=1024)
def planes(form: NormalForm) -> NormalForm:
    """Return the problem as a batch of planes, without channels.

    Examples
    --------
    >>> form = NormalForm(2, 3, 6, 3, (8,), (3,), (0,), (8,), (1,), (1,), "float32")
    >>> planes(form).out_shape
    (12, 1, 8)
    """
    batch = form.batch * form.out_channels
    return replace(form, batch=batch, in_channels=1, out_channels=1, groups=1)


def supports(form: NormalForm) -> bool:
    """Return whether the kernels compute ``form``: real numbers, planes enough to fill lanes."""
    return (
        form.dtype in DTYPES
        and form.group_channels == 1
        and form.batch * form.out_channels >= host().lanes(form.itemsize) // 2
    )


def cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    """Return the cost of the best way to cut the planes that the cap allows."""
    return choose(planes(form), device, memory_cap)[0]


def run(
    form: NormalForm, x: Real, w: Real, out: Real, *, check: Check, memory_cap: int | None
) -> None:
    """Fill ``out``; see `core.conv.algorithm.Run`. NaN and infinity in ``x`` stay where they are.

    Examples
    --------
    >>> from core.conv.blocks import never
    >>> form = NormalForm(1, 2, 2, 2, (3,), (2,), (0,), (4,), (1,), (1,), "float32")
    >>> x, w, out = np.ones((1, 2, 3)), np.ones((2, 1, 2), "f4"), np.empty((1, 2, 4), "f4")
    >>> run(form, x, w, out, check=never, memory_cap=None)
    >>> out[0, 1]
    array([1., 2., 2., 1.], dtype=float32)
    """
    batch, channels = form.batch, form.out_channels
    multiplier = channels // form.groups
    form = planes(form)
    _, method = choose(form, device_of(x), memory_cap)
    x, form = readable(form, x, method.cut)
    image, plane = (s // x.itemsize for s in x.strides[:2])
    origins = np.add.outer(np.arange(batch) * image, np.arange(channels) // multiplier * plane)
    gather = Gather(form, method.cut, x, origins.ravel())
    scatter = Scatter(form, method.cut, out.reshape(form.out_shape))
    plan = bundles(form, method.cut, method.tile.lanes)
    # Bundles often repeat the same channels: their weights are packed once.
    sets, which = np.unique(plan.images % channels, axis=0, return_inverse=True)
    weights = packed(w, sets, form.dtype)

    def work(bundle: int) -> None:
        inputs = scratch("inputs", gather.shape, form.dtype)
        gather(bundle, 0, inputs)
        sums = _sums(form, inputs, weights[which[bundle]], method)
        scatter(bundle, 0, 1, sums)

    for_each(work, range(len(which)), check, threads(form, cores()))


def _sums(form: NormalForm, inputs: Real, weights: Real, method: Method) -> Real:
    tile, size = method.tile, method.cut.size
    sums = scratch("sums", (*size, tile.lanes), form.dtype)
    slices, places = _slices(form, size), _places(form, size, tile)
    apart = pitches(form.span_of(size), tile.lanes)
    has_rows = form.ndim > 1
    kernel(tile)(
        inputs.ctypes.data,
        weights.ctypes.data,
        slices.ctypes.data,
        places.ctypes.data,
        sums.ctypes.data,
        len(slices),
        form.kernel[-2] if has_rows else 1,
        form.kernel[-1],
        len(places),
        form.dilation[-2] * apart[-2] if has_rows else 0,
        form.dilation[-1] * apart[-1],
        size[-1] * tile.lanes,
    )
    return sums


@lru_cache(maxsize=256)
def _slices(form: NormalForm, size: Shape) -> Table:
    # How far from a tile's first input each slice of the kernel finds its own.
    apart = pitches(form.span_of(size), host().lanes(form.itemsize))
    steps = zip(form.kernel[:-2], form.dilation[:-2], apart[:-2], strict=False)
    return distances([(k, d * p) for k, d, p in steps])


@lru_cache(maxsize=256)
def _places(form: NormalForm, size: Shape, tile: Tile) -> Table:
    # Where each tile begins, in the inputs and in the outputs.
    steps = (*(1,) * (form.ndim - 2), tile.rows, tile.columns)[-form.ndim :]
    corners = [
        [min(i, n - step) for i in range(0, n, step)] for n, step in zip(size, steps, strict=True)
    ]
    both = []
    for span, strides in ((form.span_of(size), form.stride), (size, (1,) * form.ndim)):
        total = np.zeros(1, np.int64)
        for starts, s, p in zip(corners, strides, pitches(span, tile.lanes), strict=True):
            total = np.add.outer(total, np.array(starts) * s * p).ravel()
        both.append(total)
    return np.stack(both, axis=1)


@lru_cache(maxsize=1024)
def choose(form: NormalForm, device: Device, memory_cap: int | None) -> tuple[Cost, Method]:
    """Return the fastest way to cut the planes that the cap allows, and its cost."""
    return fastest([_priced(form, cut, device) for cut in cuts(form, form.taps)], memory_cap)


def _priced(form: NormalForm, cut: Cut, device: Device) -> tuple[Cost, Method]:
    lanes, size = host().lanes(form.itemsize), cut.size
    # Rows share inputs where they are as far apart as the kernel's rows.
    shares = form.ndim > 1 and form.stride[-2] == form.dilation[-2]
    rows = min(_MOST_ROWS, form.kernel[-2]) if shares else 1
    plane = (size[-2] if form.ndim > 1 else 1, size[-1])
    tile, share = best_tile(form.dtype, plane, rows, form.stride[-1], host())
    count = bundle_count(form, cut, lanes)
    outputs, inputs = math.prod(size) * lanes, math.prod(form.span_of(size)) * lanes
    sums = outputs * form.taps * device.direct[form.dtype] / share
    if inputs * form.itemsize > _BUNDLE_BYTES:
        sums *= _FAR
    moves = (inputs + outputs + form.taps * lanes) * form.itemsize * device.copy
    overhead = _CALLS * device.call / device.workers
    idle = -(-count // threads(form, device.workers)) * device.workers
    padded = padded_bytes(form, cut)
    seconds = idle * (sums + moves + overhead) + 3 * padded * device.copy
    held = (inputs + outputs + form.taps * lanes) * form.itemsize * device.workers
    return Cost(seconds, held + padded), Method(cut, tile)
