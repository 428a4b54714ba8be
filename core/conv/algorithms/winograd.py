"""Winograd's convolution of many channels: fewer products, at the price of some accuracy.

Tiles of 6 by 6 inputs give 4 by 4 outputs with 3 by 3 taps, or 2 by 2 with 5 by 5, for 36
products in place of 144 or 100 (A. Lavin and S. Gray, "Fast algorithms for convolutional neural
networks", 2016; the matrices are `core.conv.cook_toom`). Transforms are done once per channel,
products for each pair of channels.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from core.arrays import Array, array_module, matmul
from core.conv import codegen
from core.conv.algorithm import Algorithm, Cost
from core.conv.blocks import Block, Check, block_count, blocks, cut, for_each
from core.conv.cook_toom import SIDE, cook_toom, outputs_of
from core.conv.cuda import winograd as cuda
from core.conv.device import Device, device_of
from core.conv.fixed import once
from core.conv.normal import NormalForm, Shape, read

_TAPS = (3, 5)
# The bound is a worst case that no data comes near: the errors seen are a thousandth of it.
_LARGEST_BOUND = 2.0**-8
# Numbers of the tiles of a block with NumPy; passes over them that the transforms take; and
# operations of a block.
_BLOCK_NUMBERS = 1 << 22
_PASSES = 24
_CALLS = 40


def refuses(form: NormalForm) -> str | None:
    """Refuse what has no transforms or no use for them, and errors that may be large."""
    if form.kernel not in [(r, r) for r in _TAPS]:
        return "only kernels of 3 by 3 and 5 by 5 have transforms"
    if max(form.stride + form.dilation) > 1:
        return "tiles need neighbouring inputs: no stride, no dilation"
    if form.group_channels == 1:
        return "transforms pay where input channels are summed"
    if form.bits is not None:
        return "its products are rounded, and integers must be exact"
    if form.is_complex:
        return "complex numbers have no kernels"
    if error_bound(form) > _LARGEST_BOUND:
        return f"its error bound, {error_bound(form):.2g}, is above {_LARGEST_BOUND:.2g}"
    return None


def cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    """Count the products, the transforms and the copies."""
    if device.kind == "gpu":
        return cuda.cost(form, device, memory_cap)
    if _is_generated(device):
        from core.conv.codegen import winograd

        return winograd.cost(form, device, memory_cap)
    m, r = outputs_of(form.kernel[0]), form.kernel[0]
    numbers = form.batch * (form.in_channels + form.out_channels) * math.prod(form.out)
    seconds = (
        form.multiply_adds * (SIDE / (m * r)) ** 2 * device.gemm[form.dtype]
        + numbers * (SIDE / m) ** 2 * _PASSES * form.itemsize * device.copy
        + block_count(form, *_blocking(form)) * _CALLS * device.call
    )
    return Cost(seconds, 4 * _BLOCK_NUMBERS * form.itemsize)


def error_bound(form: NormalForm) -> float:
    """Bound the roundings of the transforms and the sum, all magnified by the transforms' growth.

    To first order: each output is a sum whose terms' magnitudes sum to at most
    ``growth ** 2 * sum(abs(w)) * max(abs(x))`` (`core.conv.cook_toom.CookToom.growth`), and
    each term is rounded once per channel, and in the two passes of each transform.
    """
    r = form.kernel[0]
    # A pass over the taps has r terms of rounded factors; factors of inputs and outputs are exact,
    # but for one product, and they have up to 4 and 5 terms.
    transforms = 2 * ((r + 1) + 3 + 4)
    return cook_toom(r).growth ** 2 * (form.group_channels + transforms) * form.unit_roundoff


def carries_nonfinite(form: NormalForm, device: Device) -> tuple[Literal["x", "w"], ...]:
    """Return nothing: a transform spreads NaN over its tile."""
    return ()


def run(
    form: NormalForm, x: Array, w: Array, out: Array, *, check: Check, memory_cap: int | None
) -> None:
    """Fill ``out``; see `core.conv.algorithm.Run`."""
    device = device_of(x)
    if _is_generated(device):
        from core.conv.codegen import winograd

        winograd.run(form, x, w, out, check=check, memory_cap=memory_cap)
        return
    weights = once(w, ("winograd", form.groups), lambda: _weights(form, w))
    if device.kind == "gpu":
        cuda.run(form, x, weights, out, check=check)
        return
    short = cook_toom(form.kernel[0])
    inputs, outputs = (m.astype(form.dtype) for m in (short.inputs, short.outputs))

    def work(block: Block) -> None:
        values = _applied(inputs, _tiles(form, x, block))
        images, _, rows, columns = values.shape[:4]
        by_product = values.transpose(4, 5, 1, 0, 2, 3)
        by_product = by_product.reshape(SIDE, SIDE, form.groups, form.group_channels, -1)
        products = matmul(weights, by_product)
        products = products.reshape(SIDE, SIDE, form.out_channels, images, rows, columns)
        tiles = _applied(outputs, products.transpose(3, 2, 4, 5, 0, 1)).swapaxes(3, 4)
        size = tuple(n * len(outputs) for n in (rows, columns))
        whole = tiles.reshape(images, form.out_channels, *size)
        target = out[(block.images, slice(None), *block.positions)]
        target[...] = whole[..., : block.size[0], : block.size[1]]

    # The matrix product brings threads of its own.
    for_each(work, blocks(form, *_blocking(form)), check, 1)


def _blocking(form: NormalForm) -> tuple[Shape, int]:
    m = outputs_of(form.kernel[0])
    per_position = (form.in_channels + form.out_channels) * SIDE**2 // m**2
    return cut(form, _BLOCK_NUMBERS // per_position)


def _weights(form: NormalForm, w: Array) -> Array:
    # The kernels, transformed: (6, 6, groups, out channels of a group, in channels of a group).
    xp = array_module(w)
    taps = xp.asarray(cook_toom(form.kernel[0]).taps.astype(form.dtype))
    weights = xp.ascontiguousarray(_applied(taps, w[..., ::-1, ::-1]).transpose(2, 3, 0, 1))
    return weights.reshape(SIDE, SIDE, form.groups, -1, form.group_channels)


def _applied(matrix: Array, tiles: Array) -> Array:
    # The matrix along both of the last two axes.
    return matmul(matmul(matrix, tiles), matrix.T)


def _tiles(form: NormalForm, x: Array, block: Block) -> Array:
    # The overlapping tiles of a block's inputs, (image, channel, row, column, 6, 6): a view.
    m = outputs_of(form.kernel[0])
    count = tuple(-(-n // m) for n in block.size)
    span = form.span_of(tuple(n * m for n in count))
    inputs = read(x[block.images], form.first_input(block.at), span, form.dtype)
    images, channels, row, column = inputs.strides
    return np.lib.stride_tricks.as_strided(
        inputs,
        (*inputs.shape[:2], *count, SIDE, SIDE),
        (images, channels, m * row, m * column, row, column),
    )


def _is_generated(device: Device) -> bool:
    return device.kind == "cpu" and codegen.available()


ALGORITHM = Algorithm(
    name="winograd",
    summary="few products per tile, for many channels of 3 by 3 and 5 by 5 kernels",
    refuses=refuses,
    cost=cost,
    error_bound=error_bound,
    run=run,
    carries_nonfinite=carries_nonfinite,
    rounds=lambda form, device: device.kind == "gpu",
)
