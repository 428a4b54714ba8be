"""Winograd's gradient with respect to the kernels: how its kernel is called."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.conv.codegen import batch_last_points as points
from core.conv.codegen.batch_last_layer import Layer, lanes
from core.conv.codegen.batch_last_memory import Real, filled
from core.conv.codegen.batch_last_points import Cut
from core.conv.codegen.batch_last_tile import tiles
from core.conv.codegen.batch_last_weights import is_finite
from core.conv.codegen.batch_last_winograd import PRODUCTS
from core.conv.codegen.batch_last_winograd_weights import kernel
from core.conv.codegen.calls import Call
from core.conv.codegen.channels_sums import cycles
from core.conv.codegen.library import Kernel
from core.conv.codegen.memory import LINE_BYTES, address, empty, scratch
from core.conv.codegen.target import host
from core.conv.codegen.winograd_transforms import SIDE, constants
from core.conv.normal import Shape

# Values of a block, of inputs and of gradients; point by point they are in the first cache.
_BLOCK_BYTES = 1 << 20
# Cycles to transform the inputs of a tile; to transpose and transform gradients; and of a sum
# beside its steps, to be loaded and stored.
_INPUTS, _GRADIENTS, _PER_SUM, _PER_TILE = 150, 130, 3, 20
# The share of the peak that the kernel of every tap reaches.
_DIRECT_SHARE = 0.75


@dataclass(frozen=True)
class TransformedProducts:
    """A call of the kernel, but for the arrays.

    Parameters
    ----------
    kernel : callable
        The kernel.
    shape, dtype : tuple of int, str
        Of the result.
    lanes : int
        Images of a vector, and output channels.
    kept : tuple of array
        What the kernel is told the addresses of.
    scratch : tuple of int
        Where each part of scratch memory begins; the last one is where it ends.
    addresses, numbers : tuple of int
        Arguments of the kernel; the first address is that of the constants.
    """

    kernel: Kernel
    shape: Shape
    dtype: str
    lanes: int
    kept: tuple[Real, ...]
    scratch: tuple[int, ...]
    addresses: tuple[int, ...]
    numbers: tuple[int, ...]

    def __call__(self, x: Real, dy: Real) -> Real | None:
        """Return the result; None where something is not finite: transforms would spread it."""
        x, dy = filled(x, self.lanes), filled(dy, self.lanes)
        images = x.shape[-1]
        out = empty(self.padded, self.dtype)
        kernel, arguments = self.call(
            address(x), address(dy), address(out), scratch(self.bytes), images
        )
        kernel(*arguments)
        return self.finished(out) if is_finite(out) else None

    @property
    def padded(self) -> Shape:
        """What the kernel fills: ``(vectors of output channels, pairs, lanes)``."""
        outputs, *pairs = self.shape
        return outputs // self.lanes, math.prod(pairs), self.lanes

    @property
    def bytes(self) -> int:
        """How much scratch memory is needed."""
        return self.scratch[-1]

    def call(self, x: int, dy: int, out: int, scratch: int, images: int) -> Call:
        """Return the call for arrays at these addresses, of the ``images`` that it is planned for.

        Writes ``out``, of the shape ``padded``.
        """
        first, *tables = self.addresses
        return self.kernel, (
            x,
            dy,
            out,
            first,
            *(scratch + part for part in self.scratch[:-1]),
            *tables,
            images,
            images // self.lanes,
            *self.numbers,
        )

    def finished(self, out: Real) -> Real:
        """Return the result, given what the kernel has filled."""
        return np.ascontiguousarray(out.swapaxes(1, 2)).reshape(self.shape)


def is_faster(layer: Layer, vectors: int) -> bool:
    """Return whether transforms are expected to pay for ``vectors`` of images."""
    if layer.out_channels % lanes(layer.dtype):
        return False
    taken, _ = _choice(layer, vectors)
    pixels = math.prod(layer.lattice.targets) * vectors
    products = pixels * layer.lattice.taps * layer.channels * layer.out_channels
    return taken < products / 2 / _DIRECT_SHARE


@lru_cache(maxsize=1024)
def _choice(layer: Layer, vectors: int) -> tuple[float, Cut]:
    # The cycles of a group of channels, and the cut that takes so many.
    width, itemsize = lanes(layer.dtype), np.dtype(layer.dtype).itemsize
    size = points.grid(layer.lattice)
    out_blocks = layer.out_channels // width
    whole = math.prod(size) * vectors
    transforms = whole * (layer.channels * _INPUTS + layer.out_channels * _GRADIENTS)
    found: list[tuple[float, Cut]] = []
    for box, at_a_time in points.boxes(size, vectors):
        count = math.prod(box) * at_a_time
        held = PRODUCTS * count * (layer.channels + layer.out_channels) * width * itemsize
        if found and held > _BLOCK_BYTES:
            continue
        for tile in tiles(layer.dtype, host()):
            sums = -(-layer.channels // tile.panel) * -(-out_blocks // tile.vectors)
            own = _PER_SUM * tile.panel * tile.vectors + _PER_TILE
            depth = whole * width * cycles(tile.panel, tile.vectors)
            blocks = -(-size[0] // box[0]) * -(-size[1] // box[1]) * -(-vectors // at_a_time)
            price = PRODUCTS * sums * (depth + blocks * own) + transforms
            found.append((price, Cut(tile, box, at_a_time, tile.panel)))
    return min(found, key=lambda entry: entry[0])


@lru_cache(maxsize=512)
def plan(layer: Layer, vectors: int) -> TransformedProducts:
    """Return how the gradient of a layer, forward, is computed on so many vectors of images."""
    lattice, itemsize = layer.lattice, np.dtype(layer.dtype).itemsize
    width, taps = lanes(layer.dtype), lattice.kernel[0]
    _, cut = _choice(layer, vectors)
    tables, numbers = points.tables(lattice, cut, taps), constants(layer.dtype)
    lay, count = tables.layout, math.prod(cut.size) * cut.at_a_time
    panel, across = cut.tile.panel, cut.tile.vectors
    out_blocks = layer.out_channels // width
    channel_panels, out_panels = -(-layer.channels // panel), -(-out_blocks // across)
    image = lay.channel * layer.channels * width
    value = points.padded(count * channel_panels * panel, width)
    gradient = points.padded(count * width * out_panels * across, width)
    total = points.padded(channel_panels * panel * out_panels * across, width)
    side = SIDE + 1 - taps
    line = LINE_BYTES // itemsize
    sizes = (
        image * cut.at_a_time,
        PRODUCTS * value,
        PRODUCTS * gradient,
        PRODUCTS * total,
        side * side * width * width,
    )
    begins = np.cumsum([0, *(-(-size // line) * line * itemsize for size in sizes)])
    kept = (numbers, tables.blocks, tables.rows, tables.tiles)
    return TransformedProducts(
        kernel=kernel(cut.tile, taps, count),
        shape=(layer.groups * layer.out_channels, layer.channels, *lattice.kernel),
        dtype=layer.dtype,
        lanes=width,
        kept=kept,
        scratch=tuple(begins.tolist()),
        addresses=tuple(address(table) for table in kept),
        numbers=(
            cut.at_a_time,
            len(tables.blocks),
            layer.groups,
            layer.channels,
            channel_panels,
            out_blocks,
            out_panels,
            math.prod(lattice.sources),
            math.prod(lattice.targets),
            lattice.targets[1],
            lay.channel * width,
            lay.strides[0] * width,
            image,
            value,
            gradient,
            total,
        ),
    )
