"""Direct convolution without a sum over channels, by generated kernels."""

from __future__ import annotations

import math

import numpy as np

from core.arrays import Array
from core.conv.algorithm import Cost
from core.conv.blocks import Block, Check, block_count, blocks, cores, cut, for_each
from core.conv.codegen import tiles
from core.conv.codegen.borders import split
from core.conv.codegen.direct import Spec, kernel
from core.conv.codegen.target import host
from core.conv.codegen.tiles import Tile
from core.conv.device import Device
from core.conv.normal import NormalForm, Shape, read

REAL = {
    "float32": "float32",
    "float64": "float64",
    "int64": "int64",
    "complex64": "float32",
    "complex128": "float64",
}
"""The real numbers that accumulators consist of, for those that kernels compute in."""

# What kernels load and convert, by what they compute in.
_STORED = {
    "float32": ("float32", "float16", "uint8", "int8", "uint16", "int16"),
    "float64": ("float64", "float32", "uint8", "int8", "uint16", "int16", "int32", "uint32"),
    "int64": ("int64", "uint8", "int8", "uint16", "int16", "int32", "uint32"),
}
# A block is about a millisecond of work, beside which Python's share is small.
_BLOCK_ELEMENTS = 1 << 20
_BLOCK_MULTIPLY_ADDS = 1 << 27
# Python's work for a block and its edges, in array operations.
_CALLS = 20
# Less work than this is done before another thread is awake.
_THREAD_MULTIPLY_ADDS = 1 << 22


def supports(form: NormalForm) -> bool:
    """Return whether the kernels compute ``form``: one to three axes, no sum, no stride."""
    return (
        form.ndim <= 3 and form.group_channels == 1 and max(form.stride) == 1 and form.dtype in REAL
    )


def blocking(form: NormalForm, memory_cap: int | None) -> tuple[Shape, int]:
    """Return the shape of a block of outputs, and how many images it spans."""
    work = form.out_channels * form.taps
    most = min(_BLOCK_ELEMENTS, max(1, _BLOCK_MULTIPLY_ADDS // work))
    if memory_cap is not None:
        # Half for the block itself, half for what its outputs need around it.
        most = min(most, max(1, memory_cap // (2 * cores() * form.itemsize * form.in_channels)))
    return cut(form, most, max(1, _THREAD_MULTIPLY_ADDS // work))


def cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    """Count the multiply-adds of the tiles, what is read and written, and the calls."""
    size, images = blocking(form, memory_cap)
    count = block_count(form, size, images)
    _, rows, columns = _three(size)
    depth, height, width = _three(form.kernel)
    parts, itemsize = _parts(form), form.itemsize // _parts(form)
    tile = _tile(form, size)
    planes = count * images * form.out_channels * math.prod(size) // (rows * columns)
    # Per lane: as many multiply-adds as begin in the half cycles that the tiles take.
    busy = tiles.cycles(tile, parts, height, rows, columns * parts) * host().lanes(itemsize)
    arithmetic = planes * depth * width * busy * device.direct[REAL[form.dtype]]
    moved = (math.prod(form.spatial) * form.batch * form.in_channels + form.outputs) * form.itemsize
    copied = images * form.in_channels * math.prod(form.span_of(size)) * form.itemsize
    calls = count * _CALLS * form.out_channels * (images if form.ndim == 3 else 1)
    seconds = (
        max(arithmetic * device.workers / min(count, device.workers), moved * device.copy)
        + calls * device.call
    )
    # A block's inputs are copied where they are not as kernels read them.
    return Cost(seconds, copied * device.workers)


def run(
    form: NormalForm, x: Array, w: Array, out: Array, *, check: Check, memory_cap: int | None
) -> None:
    """Fill ``out``; the arguments are those of `core.conv.algorithm.Run`."""
    reverse = slice(None, None, -1)
    weights = np.ascontiguousarray(w[(slice(None), 0, *(reverse,) * form.ndim)])
    stored = stored_dtype(form, x)
    least = _least_edge(form)

    def work(block: Block) -> None:
        for part in split(form, block, least):
            first, span = form.first_input(part.at), form.span_of(part.size)
            inputs = in_rows(read(x[part.images], first, span, stored))
            correlate(form, inputs, weights, out[(part.images, slice(None), *part.positions)])

    for_each(work, blocks(form, *blocking(form, memory_cap)), check, cores())


def stored_dtype(form: NormalForm, x: Array) -> str:
    """Return the dtype in which ``x`` is best read: its own, where kernels convert it."""
    real = REAL[form.dtype]
    own = x.dtype.name
    return own if x.dtype.isnative and real == form.dtype and own in _STORED[real] else form.dtype


def in_rows(inputs: Array) -> Array:
    """Return ``inputs`` with a contiguous last axis, as kernels read it; a view if it has one."""
    dense = inputs.shape[-1] == 1 or inputs.strides[-1] == inputs.itemsize
    return inputs if dense and inputs.flags.aligned else np.array(inputs, order="C")


def correlate(form: NormalForm, inputs: Array, weights: Array, out: Array) -> None:
    """Set ``out`` to the correlation of ``inputs`` with ``weights``, all of it inside.

    Parameters
    ----------
    form : NormalForm
        Its dtype, groups, kernel and dilation count.
    inputs : array of shape ``(N, C, *span)``
        Of a dtype that kernels read; its last axis is contiguous.
    weights : array of shape ``(O, *kernel)``
        Of the form's dtype, contiguous.
    out : array of shape ``(N, O, *size)``
        Of the form's dtype; its last axis is contiguous.
    """
    parts, real = _parts(form), REAL[form.dtype]
    three = (slice(None), slice(None), *(None,) * (3 - form.ndim))
    inputs, out = inputs[three], out[three]
    images, _, depths, rows, columns = out.shape
    (_, d_row, d_column), taps = (_three(form.dilation), _three(form.kernel))
    x_item, out_item = inputs.itemsize // parts, out.itemsize // parts
    x_image, x_channel, x_depth, x_row = (s // x_item for s in inputs.strides[:-1])
    out_image, out_channel, out_depth, out_row = (s // out_item for s in out.strides[:-1])
    # A kernel takes one sequence of planes: the images, or an image's depths.
    planes, x_plane, out_plane = images, x_image, out_image
    if form.ndim == 3:
        planes, x_plane, out_plane = depths, x_depth, out_depth
    x_address, out_address = inputs.ctypes.data, out.ctypes.data
    per_group = form.out_channels // form.groups

    # Rows that a dilated kernel relates lie ``d_row`` apart: each residue is an image of its own.
    for residue in range(min(d_row, rows)):
        count = -(-(rows - residue) // d_row)
        tile = tiles.choose(host(), out_item, parts, taps[1], count, columns * parts)
        height = taps[1] if taps[1] < tile.rows else None
        spec = Spec(
            real if parts == 2 else inputs.dtype.name,
            real,
            parts == 2,
            tile.rows,
            tile.vectors,
            tile.lanes,
            height,
        )
        compute = kernel(spec)
        for image in range(images if form.ndim == 3 else 1):
            for o in range(len(weights)):
                x_first = image * x_image + o // per_group * x_channel + residue * x_row
                out_first = image * out_image + o * out_channel + residue * out_row
                compute(
                    x_address + x_first * x_item,
                    out_address + out_first * out_item,
                    weights[o].ctypes.data,
                    *taps,
                    x_depth * form.dilation[0],
                    x_row * d_row,
                    d_column * parts,
                    planes,
                    x_plane,
                    out_plane,
                    count,
                    out_row * d_row,
                    columns * parts,
                )


def _least_edge(form: NormalForm) -> Shape:
    # An edge is as large as a tile, so that the kernel of the inner part computes it as well.
    tile = _tile(form, form.out)
    return (1, tile.rows, tile.columns // _parts(form))[3 - form.ndim :]


def _tile(form: NormalForm, size: Shape) -> Tile:
    _, rows, columns = _three(size)
    parts = _parts(form)
    height = _three(form.kernel)[1]
    return tiles.choose(host(), form.itemsize // parts, parts, height, rows, columns * parts)


def _parts(form: NormalForm) -> int:
    return 2 if form.is_complex else 1


def _three(lengths: Shape) -> Shape:
    return (1,) * (3 - len(lengths)) + lengths
