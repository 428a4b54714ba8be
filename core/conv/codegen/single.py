"""Direct convolution without a sum over channels, by generated kernels."""

from __future__ import annotations

import math

from core.arrays import Array
from core.conv.algorithm import Cost
from core.conv.blocks import Block, Check, block_count, blocks, cores, cut, for_each
from core.conv.codegen.borders import split
from core.conv.codegen.direct import Spec, kernel, specialise
from core.conv.codegen.operands import (
    REAL,
    in_rows,
    parts,
    reversed_kernels,
    stored_dtype,
    three,
    with_three_axes,
)
from core.conv.codegen.target import host
from core.conv.codegen.tiles import cycles
from core.conv.device import Device
from core.conv.normal import NormalForm, Shape, read

# A block is about a millisecond of work, beside which Python's share is small.
_BLOCK_ELEMENTS = 1 << 20
_BLOCK_MULTIPLY_ADDS = 1 << 27
# Less work than this is done before another thread is awake.
_THREAD_MULTIPLY_ADDS = 1 << 22
# Python's work for a block and its edges, in array operations.
_CALLS = 20


def supports(form: NormalForm) -> bool:
    """Return whether the kernels compute ``form``: one to three axes, no sum, no stride."""
    return (
        form.ndim <= 3 and form.group_channels == 1 and max(form.stride) == 1 and form.dtype in REAL
    )


def cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    """Count the multiply-adds of the tiles, what is read and written, and the calls."""
    size, images = _blocking(form, memory_cap)
    count = block_count(form, size, images)
    _, rows, columns = three(size)
    depth, height, width = three(form.kernel)
    planes = form.outputs // (rows * columns)
    seconds = (
        max(
            planes
            * depth
            * width
            * busy_seconds(form, device, height, rows, columns)
            # Fewer blocks than cores leave some idle.
            * (device.workers / min(count, device.workers)),
            moved_bytes(form) * device.copy,
        )
        + count * _CALLS * form.out_channels * device.call
    )
    # A block's inputs are copied where they are not as kernels read them.
    copied = images * form.in_channels * math.prod(form.span_of(size)) * form.itemsize
    return Cost(seconds, copied * device.workers)


def busy_seconds(form: NormalForm, device: Device, height: int, rows: int, columns: int) -> float:
    """Return the time that one column of taps takes on a plane of outputs."""
    spec = specialised(form, REAL[form.dtype], height, rows, columns)
    # Per lane as many multiply-adds as could begin meanwhile.
    lanes = host().lanes(form.itemsize // parts(form))
    busy = cycles(spec.tile, parts(form), height, rows, columns * parts(form))
    return busy * lanes * device.direct[REAL[form.dtype]]


def moved_bytes(form: NormalForm) -> int:
    """Return the bytes that come from memory and go there."""
    inputs = form.batch * form.in_channels * math.prod(form.spatial)
    return (inputs + form.outputs) * form.itemsize


def run(
    form: NormalForm, x: Array, w: Array, out: Array, *, check: Check, memory_cap: int | None
) -> None:
    """Fill ``out``; the arguments are those of `core.conv.algorithm.Run`."""
    weights = reversed_kernels(form, w)
    stored = stored_dtype(form, x)
    least = least_edge(form)

    def work(block: Block) -> None:
        for part in split(form, block, least):
            first, span = form.first_input(part.at), form.span_of(part.size)
            inputs = in_rows(read(x[part.images], first, span, stored))
            correlate(form, inputs, weights, out[(part.images, slice(None), *part.positions)])

    for_each(work, blocks(form, *_blocking(form, memory_cap)), check, cores())


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
    pair, taps = parts(form), three(form.kernel)
    d_depth, d_row, d_column = three(form.dilation)
    inputs, out = with_three_axes(inputs, form.ndim), with_three_axes(out, form.ndim)
    images, _, depths, rows, columns = out.shape
    x_image, x_channel, x_depth, x_row, _ = inputs.strides
    out_image, out_channel, out_depth, out_row, _ = out.strides
    x_item, out_item = inputs.itemsize // pair, out.itemsize // pair
    # A kernel takes one sequence of planes: the images, or an image's depths.
    planes, x_plane, out_plane = images, x_image, out_image
    if form.ndim == 3:
        planes, x_plane, out_plane = depths, x_depth, out_depth
    x_address, out_address = inputs.ctypes.data, out.ctypes.data
    per_group = form.out_channels // form.groups
    stored = REAL.get(inputs.dtype.name, inputs.dtype.name)

    # Rows that a dilated kernel relates lie ``d_row`` apart: each residue is an image of its own.
    for residue in range(min(d_row, rows)):
        count = -(-(rows - residue) // d_row)
        compute = kernel(specialised(form, stored, taps[1], count, columns))
        for image in range(images if form.ndim == 3 else 1):
            for o in range(form.out_channels):
                channel = o // per_group
                compute(
                    x_address + image * x_image + channel * x_channel + residue * x_row,
                    out_address + image * out_image + o * out_channel + residue * out_row,
                    weights[o].ctypes.data,
                    *taps,
                    x_depth // x_item * d_depth,
                    x_row // x_item * d_row,
                    d_column * pair,
                    planes,
                    x_plane // x_item,
                    out_plane // out_item,
                    count,
                    out_row // out_item * d_row,
                    columns * pair,
                )


def least_edge(form: NormalForm) -> Shape:
    """Return the least size of an edge: a tile, so that the inner part's kernel computes it."""
    _, rows, columns = three(form.out)
    tile = specialised(form, REAL[form.dtype], three(form.kernel)[1], rows, columns).tile
    return (1, tile.rows, tile.columns // parts(form))[3 - form.ndim :]


def specialised(form: NormalForm, stored: str, height: int, rows: int, columns: int) -> Spec:
    """Return the fastest kernel for a plane of outputs, from inputs that are ``stored`` so."""
    return specialise(
        host(),
        stored,
        REAL[form.dtype],
        pairs=form.is_complex,
        height=height,
        rows=rows,
        columns=columns * parts(form),
    )


def _blocking(form: NormalForm, memory_cap: int | None) -> tuple[Shape, int]:
    work = form.out_channels * form.taps
    most = min(_BLOCK_ELEMENTS, max(1, _BLOCK_MULTIPLY_ADDS // work))
    if memory_cap is not None:
        # Half for the block itself, half for what its outputs need around it.
        most = min(most, max(1, memory_cap // (2 * cores() * form.itemsize * form.in_channels)))
    return cut(form, most, max(1, _THREAD_MULTIPLY_ADDS // work))
