"""The gradient with respect to the kernels: how `batch_last_products`'s kernel is called."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.conv.codegen import batch_last_products as products
from core.conv.codegen.batch_last_layer import Layer, lanes
from core.conv.codegen.batch_last_memory import Real, filled
from core.conv.codegen.calls import Call
from core.conv.codegen.library import Kernel
from core.conv.codegen.memory import address, scratch
from core.conv.codegen.target import host
from core.conv.normal import Shape


@dataclass(frozen=True)
class Products:
    """A call of the kernel, but for the arrays.

    Parameters
    ----------
    kernel : callable
        The kernel.
    shape, dtype : tuple of int, str
        Of the result.
    wanted, padded : tuple of int
        What the result is per group, ``(groups, outputs, pairs)``; and what the kernel fills.
    lanes : int
        Images of a vector.
    pads : bool
        Whether zeros around the input meet the gradients.
    tables : Tables
        Kept, because the kernel is told their addresses.
    gradients, bytes : int
        Where gradients begin in scratch memory, and how much of it is needed.
    addresses, numbers : tuple of int
        Arguments of the kernel.
    """

    kernel: Kernel
    shape: Shape
    dtype: str
    wanted: Shape
    padded: Shape
    lanes: int
    pads: bool
    tables: products.Tables
    gradients: int
    bytes: int
    addresses: tuple[int, ...]
    numbers: tuple[int, ...]

    def __call__(self, x: Real, dy: Real) -> Real | None:
        """Return the result; None where zeros would have met gradients that are not finite."""
        x, dy = filled(x, self.lanes), filled(dy, self.lanes)
        images = x.shape[-1]
        out = np.zeros(self.padded, self.dtype)
        kernel, arguments = self.call(
            address(x), address(dy), address(out), scratch(self.bytes), images
        )
        kernel(*arguments)
        found = self.finished(out)
        if self.pads and not is_finite(found) and not is_finite(dy):
            return None
        return found

    def call(self, x: int, dy: int, out: int, scratch: int, images: int) -> Call:
        """Return the call for arrays at these addresses, of ``images`` that fill the lanes.

        Adds to ``out``, of the shape ``padded``.
        """
        return self.kernel, (
            x,
            dy,
            out,
            scratch,
            scratch + self.gradients,
            *self.addresses,
            images,
            images // self.lanes,
            *self.numbers,
        )

    def finished(self, out: Real) -> Real:
        """Return the result, given what the kernel has filled."""
        _, rows, pairs = self.wanted
        return np.ascontiguousarray(out[:, :rows, :pairs]).reshape(self.shape)


def is_finite(values: Real) -> bool:
    """Return whether all values are finite.

    Examples
    --------
    >>> is_finite(np.array([1.0, np.inf]))
    False
    """
    # What is not finite makes the sum so, which is found sooner; a sum may overflow, too.
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum()) or np.isfinite(values).all())


@lru_cache(maxsize=512)
def plan(layer: Layer) -> Products:
    """Return how the gradient of a layer, forward, is computed, whatever the batch."""
    lattice, itemsize = layer.lattice, np.dtype(layer.dtype).itemsize
    width, rows, pairs = lanes(layer.dtype), layer.out_channels, layer.channels * lattice.taps
    lay = products.sized(lattice, layer.channels, rows, itemsize, width)
    at_a_time = products.together(lay, layer.channels, rows, itemsize, width)
    pixels = math.prod(lay.size) * at_a_time
    tile = products.best_tile(layer.dtype, pixels, rows, pairs, host())
    tables = products.tables(lattice, lay, layer.channels, rows, at_a_time, tile)
    gradients = at_a_time * tables.scratch * itemsize
    panels = -(-rows // tile.panel)
    return Products(
        kernel=products.kernel(tile),
        shape=(layer.groups * rows, layer.channels, *lattice.kernel),
        wanted=(layer.groups, rows, pairs),
        padded=(layer.groups, panels * tile.panel, tables.pairs.size),
        dtype=layer.dtype,
        lanes=tile.lanes,
        pads=lattice.pads,
        tables=tables,
        gradients=gradients,
        bytes=gradients + at_a_time * tables.scratch_dy * itemsize,
        addresses=tuple(address(table) for table in tables[:5]),
        numbers=(
            at_a_time,
            len(tables.blocks),
            layer.groups,
            layer.channels,
            rows,
            len(tables.pairs),
            math.prod(lattice.sources),
            math.prod(lattice.targets),
            tables.channel,
            tables.scratch,
            tables.scratch_dy,
        ),
    )
