"""Convolution of batch-last arrays and its gradients by generated kernels, on the calling thread.

Everything that follows from shapes is worked out once: a call finds its scratch memory and runs
one kernel.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from core.conv.codegen import batch_last_lattice
from core.conv.codegen import batch_last_products as products
from core.conv.codegen import batch_last_sums as sums
from core.conv.codegen.batch_last_lattice import Lattice
from core.conv.codegen.batch_last_tile import Tile
from core.conv.codegen.target import host
from core.conv.normal import Shape
from core.conv.problem import ConvProblem

DTYPES = ("float32", "float64")
_LINE_BYTES = 64

Real = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Layer:
    """A convolution, and which of its functions is meant by `lattice`.

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


@lru_cache(maxsize=1024)
def _forward(problem: ConvProblem) -> Layer:
    form = problem.normal
    steps = problem.stride, problem.padding, problem.dilation
    lattice = batch_last_lattice.forward(form.spatial, form.kernel, *steps)
    per_group = form.out_channels // form.groups
    return Layer(lattice, form.group_channels, per_group, form.groups, form.dtype)


@lru_cache(maxsize=1024)
def _backward(problem: ConvProblem) -> Layer:
    form = problem.normal
    steps = problem.stride, problem.padding, problem.dilation
    lattice = batch_last_lattice.input_gradient(form.spatial, form.kernel, *steps)
    per_group = form.out_channels // form.groups
    return Layer(lattice, per_group, form.group_channels, form.groups, form.dtype)


def pads(problem: ConvProblem) -> bool:
    """Return whether zeros around the input meet the kernels."""
    return _forward(problem).lattice.pads


def pads_gradient(problem: ConvProblem) -> bool:
    """Return whether zeros around the gradient of the output meet the kernels."""
    return _backward(problem).lattice.pads


def forward(problem: ConvProblem, x: Real, w: Real) -> Real:
    """Return the convolution of ``x (C, *S, N)`` with ``w (O, C / groups, *K)``."""
    layer = _forward(problem)
    taps = layer.lattice.taps
    return _sums(layer, x, w, taps, layer.channels * taps)


def input_gradient(problem: ConvProblem, dy: Real, w: Real) -> Real:
    """Return the gradient ``(C, *S, N)`` with respect to the input."""
    layer = _backward(problem)
    taps = layer.lattice.taps
    return _sums(layer, dy, w, layer.out_channels * taps, taps)


def _sums(layer: Layer, x: Real, w: Real, w_channel: int, w_row: int) -> Real:
    plan, run = _sums_plan(layer, w_channel)
    width, given = plan.tile.lanes, x.shape[-1]
    x, w = _filled(x, width), np.ascontiguousarray(w)
    images, lattice = x.shape[-1], layer.lattice
    out = _empty((layer.groups * layer.out_channels, *lattice.targets, images), layer.dtype)
    inputs = _scratch(plan.bytes)
    run(
        _address(x),
        _address(w),
        _address(out),
        inputs,
        inputs + plan.tables.scratch * width * x.itemsize,
        *plan.addresses,
        images,
        images // width,
        len(plan.tables.blocks),
        layer.groups,
        layer.channels,
        layer.out_channels,
        math.prod(lattice.sources),
        math.prod(lattice.targets),
        len(plan.tables.steps),
        w_row,
        layer.channels * layer.out_channels * lattice.taps,
        plan.tables.channel,
    )
    return out if given == images else np.ascontiguousarray(out[..., :given])


@dataclass(frozen=True)
class _SumsPlan:
    tile: Tile
    tables: sums.Tables
    addresses: tuple[int, ...]
    bytes: int


@lru_cache(maxsize=512)
def _sums_plan(layer: Layer, w_channel: int) -> tuple[_SumsPlan, Callable[..., None]]:
    lattice, itemsize = layer.lattice, np.dtype(layer.dtype).itemsize
    lay = sums.sized(lattice, layer.channels, itemsize, lanes(layer.dtype))
    pixels = math.prod(lay.size)
    # Phases share the taps evenly, more or less.
    steps = max(1, layer.channels * lattice.taps // len(lattice.phases))
    tile = sums.best_tile(layer.dtype, pixels, layer.out_channels, steps, host())
    tables = sums.tables(lattice, lay, layer.channels, w_channel, tile)
    weights = len(tables.steps) * -(-layer.out_channels // tile.panel) * tile.panel
    used = (tables.scratch * tile.lanes + weights) * itemsize
    addresses = tuple(table.ctypes.data for table in tables[:6])
    return _SumsPlan(tile, tables, addresses, used), sums.kernel(tile)


def weight_gradient(problem: ConvProblem, x: Real, dy: Real) -> Real:
    """Return the gradient ``(O, C / groups, *K)`` with respect to the kernels."""
    layer = _forward(problem)
    plan, run = _products_plan(layer)
    tile, tables, lattice = plan.tile, plan.tables, layer.lattice
    x, dy = _filled(x, tile.lanes), _filled(dy, tile.lanes)
    images, pairs = x.shape[-1], layer.channels * lattice.taps
    panels = -(-layer.out_channels // tile.panel)
    out = np.zeros(
        (layer.groups, panels * tile.panel, len(tables.pairs) * tile.vectors), layer.dtype
    )
    inputs = _scratch(plan.bytes)
    run(
        _address(x),
        _address(dy),
        _address(out),
        inputs,
        inputs + tables.at_a_time * tables.scratch * x.itemsize,
        *plan.addresses,
        images,
        images // tile.lanes,
        tables.at_a_time,
        len(tables.blocks),
        layer.groups,
        layer.channels,
        layer.out_channels,
        len(tables.pairs),
        math.prod(lattice.sources),
        math.prod(lattice.targets),
        tables.channel,
        tables.scratch,
        tables.scratch_dy,
    )
    found = out[:, : layer.out_channels, :pairs]
    shape = layer.groups * layer.out_channels, layer.channels, *lattice.kernel
    return np.ascontiguousarray(found).reshape(shape)


@dataclass(frozen=True)
class _ProductsPlan:
    tile: Tile
    tables: products.Tables
    addresses: tuple[int, ...]
    bytes: int


@lru_cache(maxsize=512)
def _products_plan(layer: Layer) -> tuple[_ProductsPlan, Callable[..., None]]:
    lattice, itemsize = layer.lattice, np.dtype(layer.dtype).itemsize
    width = lanes(layer.dtype)
    lay = products.sized(lattice, layer.channels, itemsize, width)
    at_a_time = products.together(lay, layer.channels, itemsize, width)
    pixels = math.prod(lay.size) * at_a_time
    pairs = layer.channels * lattice.taps
    tile = products.best_tile(layer.dtype, pixels, layer.out_channels, pairs, host())
    tables = products.tables(lattice, lay, layer.channels, layer.out_channels, at_a_time, tile)
    used = at_a_time * (tables.scratch + tables.scratch_dy) * itemsize
    addresses = tuple(table.ctypes.data for table in tables[:5])
    return _ProductsPlan(tile, tables, addresses, used), products.kernel(tile)


_MEMORY = threading.local()


def _scratch(size: int) -> int:
    # The address of memory of this thread's own: the same for all layers, so that it is in the
    # cache already.
    held: Real | None = getattr(_MEMORY, "bytes", None)
    if held is None or held.size < size + _LINE_BYTES:
        held = _MEMORY.bytes = np.empty(size + _LINE_BYTES, np.uint8)
    start = _address(held)
    return start + -start % _LINE_BYTES


def _empty(shape: Shape, dtype: str) -> Real:
    # On a cache line: a vector that lies in two takes twice as long to store.
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + _LINE_BYTES, np.uint8)
    start = -_address(memory) % _LINE_BYTES
    return memory[start : start + size].view(dtype).reshape(shape)


def _filled(x: Real, lanes: int) -> Real:
    # Whole vectors of images, with zeros where there are none left.
    images = x.shape[-1]
    if images % lanes == 0:
        return np.ascontiguousarray(x)
    whole = _empty((*x.shape[:-1], images + -images % lanes), x.dtype.name)
    whole[..., :images] = x
    whole[..., images:] = 0
    return whole


def _address(x: Real) -> int:
    # The attribute ``ctypes`` makes an object first.
    address: int = x.__array_interface__["data"][0]
    return address
