"""Winograd's convolution on a GPU: kernels before and after the products of matrices (cuBLAS)."""

from __future__ import annotations

import math

import numpy as np

from core.arrays import Array, array_module, matmul
from core.conv.algorithm import Cost
from core.conv.blocks import Block, Check, block_count, blocks, for_each
from core.conv.cook_toom import SIDE, outputs_of
from core.conv.cuda.geometry import MOST_PLANES, strides
from core.conv.cuda.launch import readable, types
from core.conv.cuda.modules import Macros, function
from core.conv.device import Device
from core.conv.normal import NormalForm, Shape

# Transformed numbers of a block: they fit into a large device's second cache and keep it busy.
_BLOCK_NUMBERS = 1 << 22
_THREADS = 128


def cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    """Count the products, and what is moved: transformed numbers are written and read again."""
    tile, taps = outputs_of(form.kernel[0]), form.kernel[0]
    numbers = form.batch * (form.in_channels + form.out_channels) * math.prod(form.out)
    products = form.multiply_adds * (SIDE / (tile * taps)) ** 2
    seconds = (
        products * device.gemm[form.dtype]
        + numbers * (1 + 2 * (SIDE / tile) ** 2) * form.itemsize * device.copy
        + 3 * block_count(form, *blocking(form)) * device.call
    )
    return Cost(seconds, _BLOCK_NUMBERS * form.itemsize)


def run(form: NormalForm, x: Array, weights: Array, out: Array, *, check: Check) -> None:
    """Fill ``out``, given the transformed kernels.

    Parameters
    ----------
    form : NormalForm
        What to compute.
    x, out : array
        See `core.conv.algorithm.Run`.
    weights : array of shape ``(6, 6, groups, out_channels / groups, in_channels / groups)``
        Of the form's dtype.
    check : callable
        Called before each block.
    """
    x = readable(x, form.dtype)
    macros = (
        *types(form.dtype, x.dtype.name, out.dtype.name),
        ("TAPS", form.kernel[0]),
        ("THREADS", _THREADS),
    )

    def work(block: Block) -> None:
        tiles = tuple(-(-n // outputs_of(form.kernel[0])) for n in block.size)
        values = _transformed(form, x, block, tiles, macros)
        products = matmul(weights, values)
        target = out[(block.images, slice(None), *block.positions)]
        _put(products, target, tiles, macros)

    for_each(work, blocks(form, *blocking(form)), check, 1)


def blocking(form: NormalForm) -> tuple[Shape, int]:
    """Return the outputs of a block, whole tiles as far as there are any, and its images."""
    tile = outputs_of(form.kernel[0])
    per_tile = (form.in_channels + form.out_channels) * SIDE**2
    rows, columns = (-(-n // tile) for n in form.out)
    tiles = max(1, _BLOCK_NUMBERS // per_tile)
    columns = min(columns, tiles)
    rows = min(rows, max(1, tiles // columns))
    size = tuple(min(n, count * tile) for n, count in zip(form.out, (rows, columns), strict=True))
    images = max(1, min(form.batch, tiles // (rows * columns))) if size == form.out else 1
    return size, images


def _transformed(form: NormalForm, x: Array, block: Block, tiles: Shape, macros: Macros) -> Array:
    # (6, 6, groups, channels of a group, tiles)
    xp = array_module(x)
    images = block.last - block.first
    values = xp.empty(
        (SIDE, SIDE, form.groups, form.group_channels, images * math.prod(tiles)), form.dtype
    )
    numbers = (
        *strides(x), *form.spatial, *form.first_input(block.at), images, form.in_channels, *tiles,
    )  # fmt: skip
    _launch("transform_inputs", (x[block.images], values), numbers, macros)
    return values


def _put(products: Array, target: Array, tiles: Shape, macros: Macros) -> None:
    images, channels, *size = target.shape
    numbers = (*strides(target), *size, images, channels, *tiles)
    _launch("transform_outputs", (products, target), numbers, macros)


def _launch(
    name: str, arrays: tuple[Array, Array], numbers: tuple[int, ...], macros: Macros
) -> None:
    images, channels, rows, columns = numbers[-4:]
    grid = -(-images * rows * columns // _THREADS), min(channels, MOST_PLANES), 1
    compiled = function(arrays[0], "winograd", name, macros)
    compiled(grid, (_THREADS, 1, 1), (*arrays, *map(np.int64, numbers)))
