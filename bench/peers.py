"""convq and the tools that people would use instead, each doing the same thing to a cell.

A contender returns a call for a cell, or raises `Skip` with the reason why it has none.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.fft
import scipy.ndimage
import scipy.signal
from numpy.typing import NDArray

import convq
from bench.cells import Cell
from bench.measure import Call
from core.conv import batch_last
from core.conv.blocks import cores, for_each, never

Array = NDArray[Any]
Contender = Callable[[Cell, Array, Array], Call]

# From here on a peer that does every multiply-add takes seconds, and the table would take hours.
_MOST_MULTIPLY_ADDS, _MOST_OF_NDIMAGE = 4e10, 2e9
# Fewer images than fill a vector are not worth a core of their own.
_IMAGES = 16


class Skip(Exception):
    """Why a contender does not take part in a cell."""


def convq_auto(cell: Cell, x: Array, w: Array) -> Call:
    """Return convq's call, with the algorithm of its own choice."""
    if cell.family == "net-step":
        return _convq_step(cell, x, w)
    if cell.is_net:
        return lambda: convq.conv(x, w, padding=_same_padding(w), groups=cell.groups)
    axes = _axes(cell, x)
    if cell.family == "photo":
        return lambda: _to_uint8(convq.convolve(x, w, "same", axes=axes))
    return lambda: convq.convolve(x, w, "same", axes=axes)


def convq_batch_last(cell: Cell, x: Array, w: Array) -> Call:
    """Return convq's call for arrays as its nets keep them: some images on each core."""
    if cell.family != "net":
        raise Skip("the layout of nets")
    options = {"padding": _same_padding(w), "groups": cell.groups}
    parts = _batch_last(x)

    def call() -> list[Array]:
        results = [np.empty(0)] * len(parts)

        def work(i: int) -> None:
            results[i] = batch_last.conv(parts[i], w, **options)

        for_each(work, range(len(parts)), never, len(parts))
        return results

    return call


def _batch_last(x: Array) -> list[Array]:
    count = max(1, min(cores(), len(x) // _IMAGES))
    return [np.ascontiguousarray(np.moveaxis(p, 0, -1)) for p in np.array_split(x, count)]


def _convq_step(cell: Cell, x: Array, w: Array) -> Call:
    options = {"padding": _same_padding(w), "groups": cell.groups}
    parts = _batch_last(x)
    count = len(parts)
    steps = [np.ones((len(w), *p.shape[1:]), np.float32) for p in parts]

    def call() -> Array:
        sums = [np.empty(0)] * count

        def work(i: int) -> None:
            batch_last.conv(parts[i], w, **options)
            batch_last.conv_input_gradient(steps[i], w, parts[i].shape[1:-1], **options)
            sums[i] = batch_last.conv_weight_gradient(parts[i], steps[i], w.shape[2:], **options)

        for_each(work, range(count), never, count)
        return np.sum(sums, axis=0)

    return call


def _torch_step(image: Any, kernel: Any, padding: list[int], groups: int) -> Call:
    torch = _torch()
    image.requires_grad_()
    kernel.requires_grad_()

    def call() -> Any:
        y = torch.nn.functional.conv2d(image, kernel, padding=padding, groups=groups)
        return torch.autograd.grad(y, (image, kernel), torch.ones_like(y))[1]

    return call


def scipy_fft(cell: Cell, x: Array, w: Array) -> Call:
    """Return `scipy.signal.fftconvolve`."""
    wide = _wide(cell, x, w)
    return lambda: _finished(cell, scipy.signal.fftconvolve(_real(x), wide, "same"))


def scipy_overlap_add(cell: Cell, x: Array, w: Array) -> Call:
    """Return `scipy.signal.oaconvolve`."""
    wide = _wide(cell, x, w)
    return lambda: _finished(cell, scipy.signal.oaconvolve(_real(x), wide, "same"))


def scipy_auto(cell: Cell, x: Array, w: Array) -> Call:
    """Return `scipy.signal.convolve`, which chooses between direct and FFT itself."""
    wide = _wide(cell, x, w)
    return lambda: _finished(cell, scipy.signal.convolve(_real(x), wide, "same"))


def ndimage(cell: Cell, x: Array, w: Array) -> Call:
    """Return the fitting function of `scipy.ndimage`."""
    if cell.is_net:
        raise Skip("has no channels")
    if cell.family == "gaussian":
        vector = w[w.shape[0] // 2] / np.sqrt(w[w.shape[0] // 2].max())
        return lambda: scipy.ndimage.convolve1d(
            scipy.ndimage.convolve1d(x, vector, 0, mode="constant"), vector, 1, mode="constant"
        )
    if cell.family == "box":
        return lambda: scipy.ndimage.uniform_filter(x, w.shape, mode="constant")
    _refuse_endless(x, w, most=_MOST_OF_NDIMAGE)
    wide = _wide(cell, x, w)
    return lambda: _finished(cell, scipy.ndimage.convolve(_real(x), wide, mode="constant"))


def opencv(cell: Cell, x: Array, w: Array) -> Call:
    """Return the fitting filter of OpenCV."""
    try:
        import cv2
    except ImportError as error:
        raise Skip("opencv-python-headless is not installed") from error
    border = cv2.BORDER_CONSTANT
    if cell.family == "gaussian":
        vector = w[w.shape[0] // 2] / np.sqrt(w[w.shape[0] // 2].max())
        return lambda: cv2.sepFilter2D(x, -1, vector, vector, borderType=border)
    if cell.family == "box":
        return lambda: cv2.blur(x, w.shape, borderType=border)
    if cell.family in ("dense-2d", "photo"):
        flipped = np.ascontiguousarray(w[::-1, ::-1])
        return lambda: cv2.filter2D(x, -1, flipped, borderType=border)
    raise Skip("two dimensions only")


def numpy_convolve(cell: Cell, x: Array, w: Array) -> Call:
    """Return `numpy.convolve`."""
    if cell.family != "dense-1d":
        raise Skip("one dimension only")
    _refuse_endless(x, w)
    return lambda: np.convolve(x, w, "same")


def torch_conv(cell: Cell, x: Array, w: Array, channels_last: bool = False) -> Call:
    """Return `torch.nn.functional.conv1d`, `conv2d` or `conv3d`."""
    torch = _torch()
    _refuse_endless(x, w, cell)
    if cell.is_net:
        form = torch.channels_last if channels_last else torch.contiguous_format
        image = torch.from_numpy(x).contiguous(memory_format=form)
        kernel = torch.from_numpy(w).contiguous(memory_format=form)
        padding = _same_padding(w)
        if cell.family == "net-step":
            return _torch_step(image, kernel, padding, cell.groups)
        return _without_gradient(
            lambda: torch.nn.functional.conv2d(image, kernel, padding=padding, groups=cell.groups)
        )
    if channels_last:
        raise Skip("one channel only")
    if cell.family == "photo":
        raise Skip("uint8 RGB is not its layout")
    function = getattr(torch.nn.functional, f"conv{w.ndim}d")
    image = torch.from_numpy(x)[:, None] if cell.family == "channels-1d" else (
        torch.from_numpy(x)[None, None]
    )  # fmt: skip
    kernel = torch.from_numpy(np.flip(w).copy())[None, None]
    # Even kernels have no symmetric padding; what one output more costs does not show.
    padding = [k // 2 for k in w.shape]
    return _without_gradient(lambda: function(image, kernel, padding=padding))


def torch_conv_channels_last(cell: Cell, x: Array, w: Array) -> Call:
    """Return `torch_conv` in the channels_last memory format."""
    return torch_conv(cell, x, w, channels_last=True)


def torch_fft(cell: Cell, x: Array, w: Array) -> Call:
    """Return a plain convolution by `torch.fft`."""
    torch = _torch()
    if cell.is_net or cell.family == "photo":
        raise Skip("not written for channels")
    image, kernel = torch.from_numpy(x), torch.from_numpy(w)
    dims = list(range(x.ndim - w.ndim, x.ndim))
    lengths = [(x.shape[d], k) for d, k in zip(dims, w.shape, strict=True)]
    shape = [scipy.fft.next_fast_len(n + k - 1, real=True) for n, k in lengths]
    window = (..., *(slice((k - 1) // 2, (k - 1) // 2 + n) for n, k in lengths))

    def call() -> Any:
        spectrum = torch.fft.rfftn(image, shape, dims) * torch.fft.rfftn(kernel, shape)
        return torch.fft.irfftn(spectrum, shape, dims)[window]

    return _without_gradient(call)


PEERS: dict[str, Contender] = {
    "scipy fftconvolve": scipy_fft,
    "scipy oaconvolve": scipy_overlap_add,
    "scipy convolve": scipy_auto,
    "scipy.ndimage": ndimage,
    "OpenCV": opencv,
    "numpy.convolve": numpy_convolve,
    "torch conv": torch_conv,
    "torch conv channels_last": torch_conv_channels_last,
    "torch.fft": torch_fft,
}


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise Skip("torch is not installed") from error
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    return torch


def _without_gradient(call: Call) -> Call:
    torch = _torch()

    def quiet() -> Any:
        with torch.inference_mode():
            return call()

    return quiet


def _axes(cell: Cell, x: Array) -> tuple[int, ...] | None:
    if cell.family == "photo":
        return (0, 1)
    return (1,) if cell.family == "channels-1d" else None


def _wide(cell: Cell, x: Array, w: Array) -> Array:
    """Return the kernel with as many axes as the input, for peers without batch axes."""
    if cell.is_net:
        raise Skip("has no channels")
    if cell.family == "photo":
        return w[..., None]
    return w.reshape((1,) * (x.ndim - w.ndim) + w.shape)


def _real(x: Array) -> Array:
    return x.astype(np.float32) if x.dtype == np.uint8 else x


def _finished(cell: Cell, y: Array) -> Array:
    return _to_uint8(y) if cell.family == "photo" else y


def _to_uint8(y: Array) -> Array:
    return np.clip(np.rint(y), 0, 255).astype(np.uint8)


def _same_padding(w: Array) -> list[int]:
    return [k // 2 for k in w.shape[2:]]


def _refuse_endless(
    x: Array, w: Array, cell: Cell | None = None, most: float = _MOST_MULTIPLY_ADDS
) -> None:
    work = float(x.size) * w.size / (cell.groups if cell and cell.is_net else 1)
    if cell and cell.is_net:
        work /= x.shape[1]
    if work > most:
        raise Skip(f"{work:.0e} multiply-adds would take too long")
