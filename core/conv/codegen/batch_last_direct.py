"""Every tap at every output: how the kernel of `core.conv.codegen.batch_last_sums` is called."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.conv.codegen import batch_last_sums as sums
from core.conv.codegen.batch_last_epilogue import PLAIN, Epilogue
from core.conv.codegen.batch_last_layer import Layer, lanes
from core.conv.codegen.batch_last_memory import Real, filled, flag
from core.conv.codegen.calls import Call
from core.conv.codegen.library import Kernel
from core.conv.codegen.memory import address, empty, scratch
from core.conv.codegen.target import host
from core.conv.normal import Shape


@dataclass(frozen=True)
class Direct:
    """A call of the kernel, but for the arrays.

    Parameters
    ----------
    kernel : callable
        The kernel.
    shape, dtype : tuple of int, str
        Of the result, without the batch.
    lanes : int
        Images of a vector.
    pads : bool
        Whether zeros around the input meet the weights.
    tables : Tables
        Kept, because the kernel is told their addresses.
    packed, bytes : int
        Where the weights begin in scratch memory, and how much of it is needed.
    addresses, numbers : tuple of int
        Arguments of the kernel.
    """

    kernel: Kernel
    shape: Shape
    dtype: str
    lanes: int
    pads: bool
    tables: sums.Tables
    packed: int
    bytes: int
    addresses: tuple[int, ...]
    numbers: tuple[int, ...]

    def __call__(self, x: Real, w: Real) -> Real | None:
        """Return the result; None where zeros would have met weights that are not finite."""
        given = x.shape[-1]
        x, w = filled(x, self.lanes), w if w.flags.c_contiguous else np.ascontiguousarray(w)
        images, finite = x.shape[-1], flag(self.dtype, 1)
        out = empty((*self.shape, images), self.dtype)
        kernel, arguments = self.call(
            address(x), address(w), address(out), address(finite), 0, scratch(self.bytes), images
        )
        kernel(*arguments)
        if self.pads and finite[0] != 0:
            return None
        return out if given == images else np.ascontiguousarray(out[..., :given])

    def call(
        self, x: int, w: int, out: int, finite: int, bias: int, scratch: int, images: int
    ) -> Call:
        """Return the call for arrays at these addresses, of ``images`` that fill the lanes.

        To the number at ``finite`` NaN is added if weights are not finite.
        """
        return self.kernel, (
            x,
            w,
            out,
            finite,
            bias,
            scratch,
            scratch + self.packed,
            *self.addresses,
            images,
            images // self.lanes,
            *self.numbers,
        )


@lru_cache(maxsize=512)
def plan(layer: Layer, epilogue: Epilogue = PLAIN) -> Direct:
    """Return how a layer is computed, whatever the batch."""
    lattice, itemsize = layer.lattice, np.dtype(layer.dtype).itemsize
    lay = sums.sized(lattice, layer.channels, itemsize, lanes(layer.dtype))
    sizes = layer.channels, layer.out_channels
    tile = sums.best_tile(lattice, lay, *sizes, layer.dtype, host())
    tables = sums.tables(lattice, lay, layer.channels, tile)
    packed = tables.scratch * tile.lanes * itemsize
    rows = -(-layer.out_channels // tile.panel) * tile.panel
    return Direct(
        kernel=sums.kernel(tile, epilogue),
        shape=(layer.groups * layer.out_channels, *lattice.targets),
        dtype=layer.dtype,
        lanes=tile.lanes,
        pads=lattice.pads,
        tables=tables,
        packed=packed,
        bytes=packed + layer.channels * lattice.taps * rows * itemsize,
        addresses=tuple(address(table) for table in tables[:5]),
        numbers=(
            len(tables.blocks),
            layer.groups,
            layer.channels,
            layer.out_channels,
            math.prod(lattice.sources),
            math.prod(lattice.targets),
            lattice.taps,
            layer.w_channel,
            layer.w_row,
            layer.w_group,
            tables.channel,
        ),
    )
