"""Convolution by FFT, tile by tile: what the FFT algorithms share.

A tile of ``T`` inputs gives ``T - reach`` outputs that circular wrap-around does not touch; tiles
overlap by ``reach`` (overlap-save; T. Stockham, "High-speed convolution and correlation", 1966).
One tile that covers the whole window is the ordinary FFT convolution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from core.arrays import Array, array_module, fft_module, is_on_gpu, matmul
from core.conv.algorithm import Cost
from core.conv.blocks import Block, Check, block_count, blocks, for_each, workers_for
from core.conv.device import Device
from core.conv.fixed import once
from core.conv.lengths import fast_length
from core.conv.normal import NormalForm, Shape, read

# Setting up one transform costs as much as this many plain array operations.
_TRANSFORM_CALLS = 15
# Operations of a group of tiles on a GPU, beside its transforms.
_GPU_CALLS = 8


@dataclass(frozen=True)
class Tiling:
    """How the work is cut: transforms of shape ``tile`` give ``size`` outputs of ``images``."""

    tile: Shape
    size: Shape
    images: int


def transform_dtype(form: NormalForm) -> str:
    """Return the dtype of the transforms: double precision for exact problems."""
    return form.dtype if form.bits is None else "float64"


def whole(form: NormalForm) -> Tiling:
    """Return one tile that covers the window."""
    return Tiling(_fast(form, form.span), form.out, 1)


def tiling(form: NormalForm, points: int) -> Tiling | None:
    """Return tiles of about ``points`` points, or ``None`` where the kernel is larger than that."""
    sides = [0] * form.ndim
    left = float(points)
    # Short axes first: what they do not use goes to the long ones.
    for done, axis in enumerate(sorted(range(form.ndim), key=lambda a: form.span[a])):
        share = max(1, round(left ** (1 / (form.ndim - done))))
        sides[axis] = min(share, form.span[axis])
        left /= sides[axis]
    tile = _fast(form, tuple(sides))
    size = tuple(
        min(m, (t - 1 - r) // s + 1)
        for m, t, r, s in zip(form.out, tile, form.reach, form.stride, strict=True)
    )
    if min(size) < 1:
        return None
    images = max(1, points // math.prod(tile)) if size == form.out else 1
    return Tiling(tile, size, min(images, form.batch))


def cost(form: NormalForm, device: Device, how: Tiling, workers: int) -> Cost:
    """Count transforms, products of spectra, and the calls around them."""
    if device.kind == "gpu":
        return _cost_on_gpu(form, device, how)
    dtype = transform_dtype(form)
    points, item = math.prod(how.tile), np.dtype(dtype).itemsize
    groups = block_count(form, how.size, how.images)
    tiles = groups * how.images
    transforms = tiles * (form.in_channels + form.out_channels)
    kernels = form.out_channels * form.group_channels
    # A product reads two spectra and writes one; a tile is filled, and its outputs are cut out.
    moved = (tiles * kernels * 3 + transforms * 2) * points * item
    calls = (
        groups * (4 + 2 * form.out_channels + kernels)
        + (groups * (1 + form.out_channels) + 1) * _TRANSFORM_CALLS
    )
    # With one tile at a time only the transform's many lines keep all cores busy.
    alone = device.workers if workers == 1 or groups == 1 else 1
    seconds = (
        (transforms + kernels)
        * device.fft_seconds(how.tile, dtype)
        * (alone if form.ndim == 1 else 1)
        + moved * device.copy * alone
        + calls * device.call
    )
    # The transform of an input holds its padded copy, its spectrum and a scratch beside it.
    held = 3 * kernels + workers * how.images * (4 * form.in_channels + 2)
    return Cost(seconds, held * points * item)


def _cost_on_gpu(form: NormalForm, device: Device, how: Tiling) -> Cost:
    # As `cost`, where all output channels are computed at a time.
    dtype = transform_dtype(form)
    points, item = math.prod(how.tile), np.dtype(dtype).itemsize
    groups = block_count(form, how.size, how.images)
    channels = groups * how.images * (form.in_channels + form.out_channels)
    kernels = form.out_channels * form.group_channels
    complex_dtype = "complex64" if dtype in ("float32", "complex64") else "complex128"
    # Half of a real transform's spectrum is kept. Of several channels, spectra are brought into the
    # order of matrices and back: everything moves four times, or twice.
    products = groups * how.images * kernels * points / (1 if form.is_complex else 2)
    passes = 2 if form.group_channels == 1 else 4
    calls = groups * (_GPU_CALLS + 2 * _TRANSFORM_CALLS)
    each = device.fft_seconds(how.tile, dtype) + passes * points * item * device.copy
    seconds = channels * each + products * device.gemm[complex_dtype] + calls * device.call
    prepared = kernels * each + _TRANSFORM_CALLS * device.call
    held = 4 * kernels + how.images * 4 * (form.in_channels + form.out_channels)
    return Cost(seconds + prepared, held * points * item, once=prepared)


def error_bound(form: NormalForm, how: Tiling) -> float:
    """Bound the error's root mean square over a tile, relative to sum|w| max|x|.

    Each of the three transforms adds a relative error of at most about ``3 u log2 T`` in the
    2-norm (N. Higham, *Accuracy and Stability of Numerical Algorithms*, theorem 24.2), and the
    2-norm of a tile's output is at most ``sum|w|`` times that of its input. Rounding errors of
    a transform are spread evenly over its outputs, so single outputs keep the bound as well.
    """
    unit = float(np.finfo(transform_dtype(form)).eps) / 2
    return 9 * unit * math.log2(max(2, math.prod(how.tile)))


def inexact(form: NormalForm, how: Tiling) -> str | None:
    """Say why rounding to the nearest integer may be wrong, ``None`` where it is proved right.

    The proof takes the worst case: the error of a whole tile in one output.
    """
    if form.bits is None:
        return None
    worst = error_bound(form, how) * math.sqrt(math.prod(how.tile)) * 2.0**form.bits
    if worst < 0.5:
        return None
    return f"integer outputs of up to {form.bits} bits could be rounded wrongly in float64"


def run(
    form: NormalForm,
    x: Array,
    w: Array,
    out: Array,
    how: Tiling,
    *,
    check: Check,
    workers: int,
) -> None:
    """Fill ``out`` tile by tile; ``workers`` tiles at a time."""
    xp, fft = array_module(x), fft_module(x)
    dtype = transform_dtype(form)
    axes = tuple(range(-form.ndim, 0))
    forward, inverse = (fft.fftn, fft.ifftn) if form.is_complex else (fft.rfftn, fft.irfftn)
    # A tile alone uses all cores inside the transform; several share them.
    alone = workers == 1 or block_count(form, how.size, how.images) == 1
    inner = {} if xp is not np else {"workers": workers_for(x) if alone else 1}
    per_group, channels = form.out_channels // form.groups, form.group_channels

    def transformed() -> Array:
        dilated = xp.zeros((*w.shape[:2], *(r + 1 for r in form.reach)), dtype)
        dilated[(..., *(slice(None, None, d) for d in form.dilation))] = w
        check()
        found = forward(dilated, how.tile, axes, **inner)
        return found if xp is np else _factors(form, found)

    kernels = once(w, ("spectra", dtype, form.dilation, form.groups, how.tile), transformed)

    def work(block: Block) -> None:
        inputs = read(x[block.images], form.first_input(block.at), form.span_of(block.size), dtype)
        spectra = forward(_aligned(inputs), how.tile, axes, **inner)
        keep = tuple(
            slice(r, r + (m - 1) * s + 1, s)
            for r, m, s in zip(form.reach, block.size, form.stride, strict=True)
        )
        target = out[(block.images, slice(None), *block.positions)]
        if xp is not np:
            # One channel after the other would not keep a device busy.
            total = _multiplied(form, spectra, kernels)
            result = inverse(total, how.tile, axes, overwrite_x=True)[(..., *keep)]
            target[...] = result if form.bits is None else xp.rint(result)
            return
        for o in range(form.out_channels):
            if workers == 1:
                check()
            first = o // per_group * channels
            total = spectra[:, first] * kernels[o, 0]
            for c in range(1, channels):
                total += spectra[:, first + c] * kernels[o, c]
            result = inverse(total, how.tile, axes, overwrite_x=True, **inner)[(..., *keep)]
            target[:, o] = result if form.bits is None else xp.rint(result)

    for_each(work, blocks(form, how.size, how.images), check, workers)


def _aligned(inputs: Array) -> Array:
    # cuFFT wants real numbers aligned as complex ones are (`cufftExecR2C`), and CuPy (14) gives it
    # whatever is contiguous.
    if is_on_gpu(inputs) and inputs.data.ptr % (2 * inputs.real.itemsize):
        return inputs.copy()
    return inputs


def _factors(form: NormalForm, kernels: Array) -> Array:
    # The spectra of kernels as `_multiplied` takes them: at each frequency a matrix of channels and
    # outputs, or numbers where there is one channel.
    channels, per_group = form.group_channels, form.out_channels // form.groups
    weights = kernels.reshape(form.groups, per_group, channels, -1)
    if channels == 1:
        return weights[:, :, 0]
    return array_module(kernels).ascontiguousarray(weights.transpose(3, 0, 2, 1))


def _multiplied(form: NormalForm, spectra: Array, factors: Array) -> Array:
    # The spectra of all output channels, (images, out_channels, *frequencies): at each frequency
    # the product of a matrix of images and channels with that of `_factors`.
    images, frequencies = len(spectra), spectra.shape[2:]
    by_group = spectra.reshape(images, form.groups, form.group_channels, -1)
    if form.group_channels == 1:
        total = by_group * factors
    else:
        left = by_group.transpose(3, 1, 0, 2)
        total = matmul(left, factors).transpose(2, 1, 3, 0)
    return total.reshape(images, form.out_channels, *frequencies)


def _fast(form: NormalForm, shape: Shape) -> Shape:
    return tuple(fast_length(n, real=not form.is_complex) for n in shape)
