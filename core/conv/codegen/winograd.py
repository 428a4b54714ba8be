"""Winograd's convolution with generated kernels: transform, one product per point, transform back.

A bundle's tiles are transformed some at a time, so that their numbers stay in a core's cache. The
products are sums over channels of one step each, by the kernel of `channels_sums`: the points are
places of its tile, with inputs, outputs and weights of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
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
    padded_bytes,
    pitches,
    readable,
)
from core.conv.codegen.channels_lanes import Cut, Table, bundle_count, filled, scratch
from core.conv.codegen.channels_sums import Tile, best_tile, kernel
from core.conv.codegen.target import host
from core.conv.codegen.winograd_transforms import (
    SIDE,
    constants,
    input_kernel,
    output_kernel,
)
from core.conv.cook_toom import cook_toom
from core.conv.device import Device, device_of
from core.conv.normal import NormalForm, Shape

DTYPES = ("float32", "float64")
_PRODUCTS = SIDE * SIDE
# What the tiles that are computed at a time may take, as numbers and as products.
_TILES_BYTES = 3 << 19
# Vectors of one product and of the next would meet in the same sets of a cache.
_PAD_VECTORS = 5
# Vector operations per number of a tile that is transformed, loads and stores among them.
_TRANSFORM = 4
# What the calls for some tiles take, in array operations (`Device.call`).
_CALLS = 12


@dataclass(frozen=True)
class Method:
    """How a problem is computed.

    Parameters
    ----------
    cut : Cut
        Its bundles, whose patches are whole tiles.
    tile : Tile
        The kernel of the products.
    at_a_time : int
        Tiles that are transformed and multiplied at a time.
    """

    cut: Cut
    tile: Tile
    at_a_time: int


def supports(form: NormalForm) -> bool:
    """Return whether the kernels compute ``form``, which `winograd.refuses` does not refuse."""
    return form.dtype in DTYPES


def cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    """Return the cost of the best way to cut the problem that the cap allows."""
    return choose(form, device, memory_cap)[0]


def run(
    form: NormalForm, x: Real, w: Real, out: Real, *, check: Check, memory_cap: int | None
) -> None:
    """Fill ``out``; see `core.conv.algorithm.Run`.

    Examples
    --------
    >>> from core.conv.blocks import never
    >>> form = NormalForm(1, 2, 1, 1, (5, 5), (3, 3), (2, 2), (3, 3), (1, 1), (1, 1), "float32")
    >>> x, w = np.ones((1, 2, 5, 5), "f4"), np.ones((1, 2, 3, 3), "f4")
    >>> out = np.empty((1, 1, 3, 3), "f4")
    >>> run(form, x, w, out, check=never, memory_cap=None)
    >>> bool(np.allclose(out, 18))
    True
    """
    _, method = choose(form, device_of(x), memory_cap)
    covering = _covering(form, method.cut.size)
    x, covering = readable(covering, x, method.cut)
    gather, scatter = Gather(covering, method.cut, x), Scatter(covering, method.cut, out)
    weights = transformed_weights(form, w)
    per_group = form.out_channels // form.groups

    def work(bundle: int) -> None:
        inputs = scratch("inputs", gather.shape, form.dtype)
        for group in range(form.groups):
            gather(bundle, group * form.group_channels, inputs)
            outputs = _group(form, inputs, weights[group], method)
            scatter(bundle, group * per_group, per_group, outputs)

    count = bundle_count(covering, method.cut, method.tile.lanes)
    for_each(work, range(count), check, cores())


def transformed_weights(form: NormalForm, w: Real) -> Real:
    """Return the weights as ``(group, product, block of channels, channel, channel of the block)``.

    They are transformed in double precision and rounded once.
    """
    lanes, r = host().lanes(form.itemsize), form.kernel[0]
    channels = np.arange(form.out_channels).reshape(form.groups, -1)
    order = np.stack([filled(group, lanes) for group in channels])
    # (group, block, lane, channel, tap) -> (group, tap, block, channel, lane)
    taps = w[..., ::-1, ::-1].reshape(*w.shape[:2], r * r)[order].transpose(0, 4, 1, 3, 2)
    both = np.kron(cook_toom(r).taps, cook_toom(r).taps)
    flat = taps.reshape(form.groups, r * r, -1).astype("float64")
    result = np.matmul(both, flat).astype(form.dtype)
    return result.reshape(form.groups, _PRODUCTS, *taps.shape[2:])


def _group(form: NormalForm, inputs: Real, weights: Real, method: Method) -> Real:
    # All output channels of a group, as (channel, y, x, lane).
    tile, size, lanes = method.tile, method.cut.size, method.tile.lanes
    channels, per_group = form.group_channels, form.out_channels // form.groups
    panels = -(-per_group // tile.panel)
    sources, targets = _tiles(form, size)
    numbers = constants(form.dtype)
    outputs = scratch("outputs", (panels * tile.panel, *size, lanes), form.dtype)
    steps = np.arange(channels, dtype=np.int64) * (method.at_a_time * lanes)
    apart = channels * method.at_a_time * lanes + _PAD_VECTORS * lanes
    apart_out = panels * tile.panel * method.at_a_time * lanes + _PAD_VECTORS * lanes
    values = scratch("values", (_PRODUCTS * apart,), form.dtype)
    products = scratch("products", (_PRODUCTS * apart_out,), form.dtype)
    places = _places(method, apart, apart_out, weights[0].size)
    for first in range(0, len(sources), method.at_a_time):
        count = min(method.at_a_time, len(sources) - first)
        input_kernel(form.dtype)(
            inputs.ctypes.data,
            numbers.ctypes.data,
            sources[first:].ctypes.data,
            values.ctypes.data,
            channels,
            count,
            inputs[0].size,
            inputs[0, 0].size,
            apart,
            method.at_a_time * lanes,
        )
        kernel(tile)(
            values.ctypes.data,
            steps.ctypes.data,
            weights.ctypes.data,
            places.ctypes.data,
            products.ctypes.data,
            channels,
            panels,
            len(places),
            channels * lanes,
            method.at_a_time * lanes,
            0,
        )
        output_kernel(form.dtype, form.kernel[0])(
            products.ctypes.data,
            numbers.ctypes.data,
            targets[first:].ctypes.data,
            outputs.ctypes.data,
            per_group,
            count,
            outputs[0].size,
            outputs[0, 0].size,
            apart_out,
            method.at_a_time * lanes,
        )
    return outputs


def _covering(form: NormalForm, size: Shape) -> NormalForm:
    # Where a patch is larger than the window, the window is made as large.
    return replace(form, out=tuple(map(max, form.out, size)))


@lru_cache(maxsize=256)
def _tiles(form: NormalForm, size: Shape) -> tuple[Table, Table]:
    # Where each tile of a patch begins, in the inputs and in the outputs.
    lanes, m = host().lanes(form.itemsize), SIDE + 1 - form.kernel[0]
    both = []
    for span in (form.span_of(size), size):
        steps = zip(size, pitches(span, lanes), strict=True)
        both.append(distances([(n // m, m * p) for n, p in steps]))
    return both[0], both[1]


@lru_cache(maxsize=256)
def _places(method: Method, apart: int, apart_out: int, apart_weights: int) -> Table:
    # Where the kernel's tile begins, for each product.
    width, vectors = method.at_a_time, method.tile.vectors
    columns = [min(i, width - vectors) for i in range(0, width, vectors)]
    within = np.array(columns) * method.tile.lanes
    product = np.arange(_PRODUCTS, dtype=np.int64)[:, None]
    places = [
        product * apart + within,
        product * apart_out + within,
        product * apart_weights + 0 * within,
    ]
    return np.stack([part.ravel() for part in places], axis=1)


@lru_cache(maxsize=1024)
def choose(form: NormalForm, device: Device, memory_cap: int | None) -> tuple[Cost, Method]:
    """Return the fastest way to cut the problem that the cap allows, and its cost."""
    m = SIDE + 1 - form.kernel[0]
    work = form.out_channels * form.group_channels * form.taps
    whole = {Cut(tuple(-(-n // m) * m for n in cut.size), cut.by_image) for cut in cuts(form, work)}
    return fastest([_priced(form, cut, device) for cut in whole], memory_cap)


def _priced(form: NormalForm, cut: Cut, device: Device) -> tuple[Cost, Method]:
    lanes, m = host().lanes(form.itemsize), SIDE + 1 - form.kernel[0]
    channels, per_group = form.group_channels, form.out_channels // form.groups
    count = math.prod(cut.size) // m**2
    vector = lanes * form.itemsize
    fit = max(1, _TILES_BYTES // (_PRODUCTS * (channels + per_group) * vector))
    tile, at_a_time, share = _products_tile(form, min(count, fit))
    rounds = -(-count // at_a_time)
    multiplied = rounds * at_a_time * _PRODUCTS * lanes
    sums = multiplied * channels * per_group / share
    transforms = multiplied * (channels + per_group) * _TRANSFORM
    inputs = math.prod(form.span_of(cut.size)) * form.in_channels
    outputs = math.prod(cut.size) * form.out_channels
    seconds = (
        form.groups * (sums + transforms) * device.direct[form.dtype]
        + 2 * (inputs + outputs) * vector * device.copy
        + form.groups * (2 + rounds) * _CALLS * device.call / device.workers
    )
    covering = _covering(form, cut.size)
    bundled = bundle_count(covering, cut, lanes)
    idle = -(-bundled // device.workers) * device.workers
    padded = padded_bytes(covering, cut)
    weights = _PRODUCTS * form.out_channels * channels
    prepared = weights * form.itemsize * 6 * device.copy
    held = (inputs + outputs) // form.groups + at_a_time * _PRODUCTS * (channels + per_group)
    total = held * vector * device.workers + padded + 3 * weights * 8
    return (
        Cost(idle * seconds + 3 * padded * device.copy + prepared, total),
        Method(cut, tile, at_a_time),
    )


@lru_cache(maxsize=1024)
def _products_tile(form: NormalForm, most: int) -> tuple[Tile, int, float]:
    # The kernel, and as many tiles at a time as it likes best, up to ``most``.
    per_group = form.out_channels // form.groups
    found = []
    for width in range(max(1, most // 2), most + 1):
        tile, share = best_tile(form.dtype, width, per_group, 1, host())
        found.append((share, width, tile))
    share, width, tile = max(found, key=lambda entry: entry[:2])
    return tile, width, share
