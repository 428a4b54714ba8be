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
from core.conv.codegen.channels import packed_weights
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
    threads,
)
from core.conv.codegen.channels_lanes import Cut, Table, bundle_count, scratch
from core.conv.codegen.channels_sums import Tile, best_tile, kernel
from core.conv.codegen.target import host
from core.conv.codegen.winograd_transforms import (
    SIDE,
    constants,
    input_kernel,
    output_kernel,
    weights_kernel,
)
from core.conv.device import Device, device_of
from core.conv.normal import NormalForm, Shape

_PRODUCTS = SIDE * SIDE
# What the tiles that are computed at a time may take, as numbers and as products.
_TILES_BYTES = 1 << 22
# Vectors of one product and of the next would meet in the same sets of a cache.
_PAD_VECTORS = 5
# What transforming takes per number of a tile, in multiply-adds: loads and stores, mostly.
_TRANSFORM = 9
# What the calls for some tiles take, in array operations (`Device.call`).
_CALLS, _FIXED = 12, 50


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
    groups = _Groups(form, method, transformed_weights(form, w))

    def work(bundle: int) -> None:
        inputs = scratch("inputs", gather.shape, form.dtype)
        for group in range(form.groups):
            gather(bundle, group * form.group_channels, inputs)
            outputs = groups.compute(inputs, group)
            scatter(bundle, group * groups.count, groups.count, outputs)

    count = bundle_count(covering, method.cut, method.tile.lanes)
    for_each(work, range(count), check, threads(form, cores()))


def transformed_weights(form: NormalForm, w: Real) -> Real:
    """Return the weights as ``(group, product, block of channels, channel, lane)``, in scratch."""
    weights = packed_weights(form, w)
    groups, blocks, _, lanes = weights.shape
    shape = (groups, _PRODUCTS, blocks, form.group_channels, lanes)
    result, numbers = scratch("transformed", shape, form.dtype), constants(form.dtype)
    transform = weights_kernel(form.dtype, form.kernel[0])
    for group, transformed in zip(weights, result, strict=True):
        transform(
            group.ctypes.data,
            numbers.ctypes.data,
            transformed.ctypes.data,
            blocks * form.group_channels,
            transformed[0].size,
        )
    return result


class _Groups:
    """All output channels of a bundle's group, tiles by tiles."""

    def __init__(self, form: NormalForm, method: Method, weights: Real) -> None:
        self.form, self.method, self.weights = form, method, weights
        lanes, tile = method.tile.lanes, method.tile
        self.channels, self.count = form.group_channels, form.out_channels // form.groups
        self.panels = -(-self.count // tile.panel)
        # Distances in the values and the products of the tiles: from channel to channel, and
        # from one product to the next.
        self.step = method.at_a_time * lanes
        self.apart = self.channels * self.step + _PAD_VECTORS * lanes
        self.apart_out = self.panels * tile.panel * self.step + _PAD_VECTORS * lanes
        self.steps = np.arange(self.channels, dtype=np.int64) * self.step
        self.places = _places(method, self.apart, self.apart_out, weights[0, 0].size)
        self.sources, self.targets = _tiles(form, method.cut.size)
        self.constants = constants(form.dtype)
        self.to_values = input_kernel(form.dtype)
        self.multiply = kernel(tile)
        self.to_outputs = output_kernel(form.dtype, form.kernel[0])

    def compute(self, inputs: Real, group: int) -> Real:
        """Return the outputs as ``(channel, y, x, lane)``: scratch memory."""
        form, method, lanes = self.form, self.method, self.method.tile.lanes
        shape = (self.count, *method.cut.size, lanes)
        outputs = scratch("outputs", shape, form.dtype)
        # Held until the end: a large scratch is nobody else's.
        held = [
            scratch(role, (_PRODUCTS * apart,), form.dtype)
            for role, apart in (("values", self.apart), ("products", self.apart_out))
        ]
        values, products = (memory.ctypes.data for memory in held)
        numbers, sources, targets = (
            table.ctypes.data for table in (self.constants, self.sources, self.targets)
        )
        of_inputs = (inputs[0].size, inputs[0, 0].size)
        of_outputs = (outputs[0].size, outputs[0, 0].size)
        x, y = inputs.ctypes.data, outputs.ctypes.data
        multiplication = (
            *(values, self.steps.ctypes.data, self.weights[group].ctypes.data),
            *(self.places.ctypes.data, products, self.channels, self.panels, len(self.places)),
            *(self.channels * lanes, self.step, 0),
        )
        for first in range(0, len(self.sources), method.at_a_time):
            count = min(method.at_a_time, len(self.sources) - first)
            skipped = first * self.sources.itemsize
            counts = self.channels, count
            of_values = self.apart, self.step
            self.to_values(x, numbers, sources + skipped, values, *counts, *of_inputs, *of_values)
            self.multiply(*multiplication)
            counts, of_values = (self.count, count), (self.apart_out, self.step)
            self.to_outputs(
                products, numbers, targets + skipped, y, *counts, *of_outputs, *of_values
            )
        return outputs


@lru_cache(maxsize=256)
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
        + (inputs + outputs) * vector * device.copy
        + form.groups * (2 + rounds) * _CALLS * device.call / device.workers
    )
    covering = _covering(form, cut.size)
    bundled = bundle_count(covering, cut, lanes)
    idle = -(-bundled // threads(form, device.workers)) * device.workers
    padded = padded_bytes(covering, cut)
    weights = _PRODUCTS * form.out_channels * channels
    prepared = 4 * weights * form.itemsize * device.copy
    held = (inputs + outputs) // form.groups + at_a_time * _PRODUCTS * (channels + per_group)
    total = held * vector * device.workers + padded + 2 * weights * form.itemsize
    return (
        Cost(idle * seconds + 3 * padded * device.copy + prepared + _FIXED * device.call, total),
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
