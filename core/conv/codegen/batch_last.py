"""Convolution of batch-last arrays and its gradients by generated kernels, on the calling thread.

Everything that follows from the problem is worked out once: a call finds its scratch memory and
runs one kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.conv.codegen import batch_last_lattice
from core.conv.codegen import batch_last_products as products
from core.conv.codegen import batch_last_sums as sums
from core.conv.codegen.batch_last_lattice import Lattice
from core.conv.codegen.batch_last_memory import Real, address, empty, filled, flag, scratch
from core.conv.codegen.target import host
from core.conv.normal import Shape
from core.conv.problem import ConvProblem


@dataclass(frozen=True)
class Layer:
    """A convolution or the gradient with respect to its input, whatever the batch.

    Parameters
    ----------
    lattice : Lattice
        The geometry.
    channels, out_channels : int
        Of a group: those that are read and summed, and those that are written.
    groups : int
        Groups of channels.
    dtype : str
        Of all arrays.
    """

    lattice: Lattice
    channels: int
    out_channels: int
    groups: int
    dtype: str


def lanes(dtype: str) -> int:
    """Return how many images a vector holds."""
    return host().lanes(np.dtype(dtype).itemsize)


def forward_layer(problem: ConvProblem) -> Layer:
    """Return the convolution itself."""
    form = problem.normal
    steps = problem.stride, problem.padding, problem.dilation
    lattice = batch_last_lattice.forward(form.spatial, form.kernel, *steps)
    per_group = form.out_channels // form.groups
    return Layer(lattice, form.group_channels, per_group, form.groups, form.dtype)


def backward_layer(problem: ConvProblem) -> Layer:
    """Return the gradient with respect to the input."""
    form = problem.normal
    steps = problem.stride, problem.padding, problem.dilation
    lattice = batch_last_lattice.input_gradient(form.spatial, form.kernel, *steps)
    per_group = form.out_channels // form.groups
    return Layer(lattice, per_group, form.group_channels, form.groups, form.dtype)


def forward(problem: ConvProblem, x: Real, w: Real) -> Real | None:
    """Return the convolution of ``x (C, *S, N)`` with ``w (O, C / groups, *K)``.

    None where zeros around the input would have met weights that are not finite.
    """
    return _sums(_forward(problem), x, w)


def input_gradient(problem: ConvProblem, dy: Real, w: Real) -> Real | None:
    """Return the gradient ``(C, *S, N)`` with respect to the input.

    None where zeros around ``dy`` would have met weights that are not finite.
    """
    return _sums(_backward(problem), dy, w)


@dataclass(frozen=True)
class _Sums:
    run: Callable[..., None]
    shape: Shape
    dtype: str
    lanes: int
    pads: bool
    tables: sums.Tables
    packed: int
    bytes: int
    addresses: tuple[int, ...]
    numbers: tuple[int, ...]


def _sums(plan: _Sums, x: Real, w: Real) -> Real | None:
    given = x.shape[-1]
    x, w = filled(x, plan.lanes), w if w.flags.c_contiguous else np.ascontiguousarray(w)
    images, finite = x.shape[-1], flag(plan.dtype)
    out, inputs = empty((*plan.shape, images), plan.dtype), scratch(plan.bytes)
    plan.run(
        address(x),
        address(w),
        address(out),
        address(finite),
        inputs,
        inputs + plan.packed,
        *plan.addresses,
        images,
        images // plan.lanes,
        *plan.numbers,
    )
    if plan.pads and finite[0] != 0:
        return None
    return out if given == images else np.ascontiguousarray(out[..., :given])


@lru_cache(maxsize=1024)
def _forward(problem: ConvProblem) -> _Sums:
    layer = forward_layer(problem)
    taps = layer.lattice.taps
    return _sums_plan(layer, taps, layer.channels * taps)


@lru_cache(maxsize=1024)
def _backward(problem: ConvProblem) -> _Sums:
    layer = backward_layer(problem)
    taps = layer.lattice.taps
    return _sums_plan(layer, layer.out_channels * taps, taps)


@lru_cache(maxsize=512)
def _sums_plan(layer: Layer, w_channel: int, w_row: int) -> _Sums:
    # The same for every batch. Weights are ``w_channel`` apart from one channel that is read to
    # the next, and ``w_row`` from one that is written to the next.
    lattice, itemsize = layer.lattice, np.dtype(layer.dtype).itemsize
    lay = sums.sized(lattice, layer.channels, itemsize, lanes(layer.dtype))
    # Phases share the taps evenly, more or less.
    steps = max(1, layer.channels * lattice.taps // len(lattice.phases))
    tile = sums.best_tile(layer.dtype, math.prod(lay.size), layer.out_channels, steps, host())
    tables = sums.tables(lattice, lay, layer.channels, w_channel, tile)
    packed = tables.scratch * tile.lanes * itemsize
    rows = -(-layer.out_channels // tile.panel) * tile.panel
    return _Sums(
        run=sums.kernel(tile),
        shape=(layer.groups * layer.out_channels, *lattice.targets),
        dtype=layer.dtype,
        lanes=tile.lanes,
        pads=lattice.pads,
        tables=tables,
        packed=packed,
        bytes=packed + len(tables.steps) * rows * itemsize,
        addresses=tuple(address(table) for table in tables[:6]),
        numbers=(
            len(tables.blocks),
            layer.groups,
            layer.channels,
            layer.out_channels,
            math.prod(lattice.sources),
            math.prod(lattice.targets),
            len(tables.steps),
            w_row,
            layer.channels * layer.out_channels * lattice.taps,
            tables.channel,
        ),
    )


def weight_gradient(problem: ConvProblem, x: Real, dy: Real) -> Real | None:
    """Return the gradient ``(O, C / groups, *K)`` with respect to the kernels.

    None where zeros around ``x`` would have met gradients that are not finite.
    """
    plan = _weights(problem)
    x, dy = filled(x, plan.lanes), filled(dy, plan.lanes)
    images = x.shape[-1]
    out, inputs = np.zeros(plan.padded, plan.dtype), scratch(plan.bytes)
    plan.run(
        address(x),
        address(dy),
        address(out),
        inputs,
        inputs + plan.gradients,
        *plan.addresses,
        images,
        images // plan.lanes,
        *plan.numbers,
    )
    _, rows, pairs = plan.wanted
    found = np.ascontiguousarray(out[:, :rows, :pairs]).reshape(plan.shape)
    if plan.pads and not is_finite(found) and not is_finite(dy):
        return None
    return found


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


@dataclass(frozen=True)
class _Weights:
    run: Callable[..., None]
    shape: Shape
    wanted: Shape
    padded: Shape
    dtype: str
    lanes: int
    pads: bool
    tables: products.Tables
    gradients: int
    bytes: int
    addresses: tuple[int, ...]
    numbers: tuple[int, ...]


@lru_cache(maxsize=1024)
def _weights(problem: ConvProblem) -> _Weights:
    return _weights_plan(forward_layer(problem))


@lru_cache(maxsize=512)
def _weights_plan(layer: Layer) -> _Weights:
    lattice, itemsize = layer.lattice, np.dtype(layer.dtype).itemsize
    width, rows, pairs = lanes(layer.dtype), layer.out_channels, layer.channels * lattice.taps
    lay = products.sized(lattice, layer.channels, itemsize, width)
    at_a_time = products.together(lay, layer.channels, itemsize, width)
    pixels = math.prod(lay.size) * at_a_time
    tile = products.best_tile(layer.dtype, pixels, rows, pairs, host())
    tables = products.tables(lattice, lay, layer.channels, rows, at_a_time, tile)
    gradients = at_a_time * tables.scratch * itemsize
    panels = -(-rows // tile.panel)
    return _Weights(
        run=products.kernel(tile),
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
