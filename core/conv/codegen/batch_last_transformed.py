"""Winograd's convolution of batch-last arrays: how its kernel is called."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.conv.codegen import batch_last_points as points
from core.conv.codegen import batch_last_sums as sums
from core.conv.codegen.batch_last_epilogue import PLAIN, Epilogue
from core.conv.codegen.batch_last_layer import Layer, lanes
from core.conv.codegen.batch_last_memory import Real, filled, flag
from core.conv.codegen.batch_last_winograd import PRODUCTS, kernel
from core.conv.codegen.calls import Call
from core.conv.codegen.library import Kernel
from core.conv.codegen.memory import LINE_BYTES, address, empty, scratch
from core.conv.codegen.target import host
from core.conv.codegen.winograd_transforms import constants
from core.conv.normal import Shape

# How much longer the kernel of every tap takes than is expected, compared with this one.
_DIRECT_WAITS = 1.1


@dataclass(frozen=True)
class Transformed:
    """A call of the kernel, but for the arrays.

    Parameters
    ----------
    kernel : callable
        The kernel.
    shape, dtype : tuple of int, str
        Of the result, without the batch.
    lanes : int
        Images of a vector.
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

    def __call__(self, x: Real, w: Real) -> Real | None:
        """Return the result; None where something is not finite: transforms would spread it."""
        given = x.shape[-1]
        x, w = filled(x, self.lanes), w if w.flags.c_contiguous else np.ascontiguousarray(w)
        images, finite = x.shape[-1], flag(self.dtype, self.lanes)
        out = empty((*self.shape, images), self.dtype)
        kernel, arguments = self.call(
            address(x), address(w), address(out), address(finite), 0, scratch(self.bytes), images
        )
        kernel(*arguments)
        if finite.any():
            return None
        return out if given == images else np.ascontiguousarray(out[..., :given])

    @property
    def bytes(self) -> int:
        """How much scratch memory is needed."""
        return self.scratch[-1]

    def call(
        self, x: int, w: int, out: int, finite: int, bias: int, scratch: int, images: int
    ) -> Call:
        """Return the call for arrays at these addresses, of the ``images`` that it is planned for.

        To the vector at ``finite`` NaN is added if anything that comes out is not finite.
        """
        first, *tables = self.addresses
        return self.kernel, (
            x,
            w,
            out,
            finite,
            bias,
            first,
            *(scratch + part for part in self.scratch[:-1]),
            *tables,
            images,
            images // self.lanes,
            *self.numbers,
        )


@lru_cache(maxsize=1024)
def is_faster(layer: Layer, vectors: int) -> bool:
    """Return whether transforms are expected to pay for ``vectors`` of images."""
    cycles, _ = _choice(layer, vectors)
    sizes = layer.channels, layer.out_channels
    direct = sums.price(layer.lattice, *sizes, layer.dtype, host())
    return cycles < direct * vectors * _DIRECT_WAITS


@lru_cache(maxsize=1024)
def _choice(layer: Layer, vectors: int) -> tuple[float, points.Cut]:
    sizes = layer.channels, layer.out_channels, vectors
    return points.choose(layer.lattice, *sizes, layer.dtype, host())


@lru_cache(maxsize=512)
def plan(layer: Layer, vectors: int, epilogue: Epilogue = PLAIN) -> Transformed:
    """Return how a layer for which there are transforms is computed on so many vectors."""
    lattice, itemsize = layer.lattice, np.dtype(layer.dtype).itemsize
    width, taps = lanes(layer.dtype), lattice.kernel[0]
    _, cut = _choice(layer, vectors)
    tables = points.tables(lattice, cut, lattice.kernel[1])
    lay, numbers = tables.layout, constants(layer.dtype)
    blocks = -(-layer.out_channels // width)
    image = lay.channel * layer.channels * width
    value = points.padded(cut.tiles * layer.channels, width)
    product = points.padded(cut.tiles * cut.chunk, width)
    weight = points.padded(blocks * layer.channels, width)
    line = LINE_BYTES // itemsize
    sizes = (
        image * cut.at_a_time,
        PRODUCTS * value,
        PRODUCTS * product,
        PRODUCTS * weight,
        taps * taps * width,
    )
    begins = np.cumsum([0, *(-(-size // line) * line * itemsize for size in sizes)])
    kept = (numbers, tables.blocks, tables.rows, tables.tiles, tables.taps)
    return Transformed(
        kernel=kernel(cut.tile, taps, epilogue),
        shape=(layer.groups * layer.out_channels, *lattice.targets),
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
            layer.out_channels,
            math.prod(lattice.sources),
            math.prod(lattice.targets),
            lattice.targets[1],
            layer.w_channel,
            layer.w_row,
            layer.w_group,
            lay.channel * width,
            lay.strides[0] * width,
            image,
            cut.tiles,
            cut.chunk,
            value,
            product,
            weight,
            layer.channels * width,
        ),
    )
