"""Spectra of kernels, in the order in which the generated tiles produce theirs."""

from __future__ import annotations

import math

import numpy as np

from core.conv.blocks import Check, for_each
from core.conv.codegen.fft_layout import BoxArray, emptied, interleaved, kernel_boxes, moved
from core.conv.codegen.fft_run import RealArray, address, strides_of, tile_memory, transform
from core.conv.normal import NormalForm, Shape
from core.conv.overlap_save import transform_dtype

# Kernels that are transformed between two checks hold about this many points.
_CHUNK_POINTS = 1 << 22


def spectra(
    form: NormalForm,
    w: RealArray,
    tile: Shape,
    *,
    in_pairs: bool,
    check: Check,
    workers: int,
) -> RealArray:
    """Transform all kernels, with the transforms' factor divided out.

    Parameters
    ----------
    form : NormalForm
        Of the problem.
    w : array of shape ``(out_channels, in_channels / groups, *kernel)``
        Oriented for convolution.
    tile : tuple of int
        Not shorter than the dilated kernel.
    in_pairs : bool
        Whether two output channels of a real problem share a spectrum, the second times ``1j``:
        a real tile's result then has them as its real and imaginary parts.
    check : callable
        Raises to cancel.
    workers : int
        Threads to use.

    Returns
    -------
    array of shape ``(out_channels, in_channels / groups, elements)``
        Half as many channels where they are in pairs; an odd last one is alone in each group.
    """
    per_group = form.out_channels // form.groups
    dilated = _dilated(form, w.astype(transform_dtype(form)) / math.prod(tile))
    # Not its strides: along an axis of length 1 they mean nothing.
    stride, channels = dilated[0, 0].nbytes, form.group_channels
    boxes = moved(
        kernel_boxes(form.out_channels * channels, stride, dilated.shape[2:]), address(dilated)
    )
    if not form.is_complex:
        boxes = (
            _paired(boxes.reshape(form.groups, per_group, channels, -1))
            if in_pairs
            else interleaved(boxes, emptied(boxes))
        )
    part = str(dilated.real.dtype)
    forward = transform("forward", part, tile, is_complex=form.is_complex)
    per_turn = 1 if form.is_complex else 2
    count = len(boxes) // per_turn
    memory = tile_memory(part, tile, count)
    strides = strides_of(dilated, dilated, form.ndim)
    chunk = max(1, min(_CHUNK_POINTS // math.prod(tile), -(-count // (2 * workers))))

    def work(first: int) -> None:
        some = boxes[first * per_turn : (first + chunk) * per_turn]
        forward(some, some, strides, memory, memory[first : first + chunk])

    for_each(work, range(0, count, chunk), check, workers)
    return memory.reshape(-1, channels, memory.shape[1])


def _paired(boxes: BoxArray) -> BoxArray:
    # (groups, outputs, channels, words): neighbouring outputs in turn, the last with nothing.
    if boxes.shape[1] % 2:
        boxes = np.concatenate([boxes, emptied(boxes[:, -1:])], axis=1)
    words = boxes.shape[-1]
    return interleaved(boxes[:, 0::2].reshape(-1, words), boxes[:, 1::2].reshape(-1, words))


def _dilated(form: NormalForm, w: RealArray) -> RealArray:
    if max(form.dilation) == 1:
        return np.ascontiguousarray(w)
    result = np.zeros((*w.shape[:2], *(r + 1 for r in form.reach)), w.dtype)
    taps = tuple(slice(None, None, d) for d in form.dilation)
    result[:, :, *taps] = w
    return result
