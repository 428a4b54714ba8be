"""convq, CuPy and PyTorch on the device, each doing the same thing to a cell.

A contender takes arrays of the device and returns a call, or raises `Skip` with the reason. Peers
get their data in the layout that they like best, outside of what is timed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import convq
from bench.cells import Cell
from bench.gpu import from_host, one_kernel
from bench.peers import Skip
from core.conv.algorithms import ALGORITHMS
from core.conv.cuda import cudnn

Call = Callable[[], Any]

ROUNDED = ("net-tf32", "net-bfloat16")
"""The families whose products may be of less than float32."""

# From here on a peer that does every multiply-add takes too long.
_MOST_MULTIPLY_ADDS = 4e12


# A kernel as an array, and fixed.
_ONE_BY_ONE = ("one-kernel", "fixed-kernel")


def convq_call(cell: Cell, x: Any, w: Any, method: str = "auto") -> Call:
    """Return convq's call."""
    if cell.family == "net-step":
        return _convq_step(cell, x, w)
    if cell.family == "from-host":
        return from_host.convq_call(x, w, method)
    if cell.family in _ONE_BY_ONE:
        return one_kernel.convq_call(x, w, method, is_fixed=cell.family == "fixed-kernel")
    if cell.is_net:
        options = {"padding": [k // 2 for k in w.shape[2:]], "groups": cell.groups}
        precision = _precision(cell)
        return lambda: convq.conv(x, w, method=method, precision=precision, **options)
    axes = (1,) if cell.family == "channels-1d" else None
    return lambda: convq.convolve(x, w, "same", axes=axes, method=method)


def _convq_step(cell: Cell, x: Any, w: Any) -> Call:
    from core.conv.gradients import conv_input_gradient, conv_weight_gradient

    options = {"padding": [k // 2 for k in w.shape[2:]], "groups": cell.groups}
    dy = convq.conv(x, w, **options)

    def call() -> Any:
        y = convq.conv(x, w, **options)
        conv_input_gradient(dy, w, x.shape, **options)
        conv_weight_gradient(x, dy, w.shape, **options)
        return y

    return call


def cupyx_fft(cell: Cell, x: Any, w: Any) -> Call:
    """Return CuPy's FFT convolution."""
    signal = importlib.import_module("cupyx.scipy.signal")
    kernel = _wide(cell, x, w)
    return lambda: signal.fftconvolve(x, kernel, mode="same", axes=_axes(cell, x))


def cupyx_oa(cell: Cell, x: Any, w: Any) -> Call:
    """Return CuPy's overlap-add."""
    signal = importlib.import_module("cupyx.scipy.signal")
    kernel = _wide(cell, x, w)
    return lambda: signal.oaconvolve(x, kernel, mode="same", axes=_axes(cell, x))


def cupyx_ndimage(cell: Cell, x: Any, w: Any) -> Call:
    """Return CuPy's direct convolution, that of ``ndimage``."""
    _refuse_endless(cell)
    ndimage = importlib.import_module("cupyx.scipy.ndimage")
    kernel = _wide(cell, x, w)
    return lambda: ndimage.convolve(x, kernel, mode="constant")


def torch_cudnn(cell: Cell, x: Any, w: Any) -> Call:
    """Return PyTorch's convolution, with cuDNN measuring its algorithms; NCHW."""
    return _torch(cell, x, w, channels_last=False)


def torch_channels_last(cell: Cell, x: Any, w: Any) -> Call:
    """Return the same with channels last."""
    if not cell.is_net:
        raise Skip("has one channel")
    return _torch(cell, x, w, channels_last=True)


def _torch(cell: Cell, x: Any, w: Any, channels_last: bool) -> Call:
    _refuse_endless(cell)
    try:
        torch = importlib.import_module("torch")
    except ModuleNotFoundError as missing:
        raise Skip("torch is not installed") from missing
    if not torch.cuda.is_available():
        raise Skip("torch was built without CUDA")
    torch.backends.cudnn.benchmark = True
    # Whoever multiplies float32 multiplies float32.
    tf32 = _precision(cell) == "tf32"
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
    # PyTorch correlates; convq's conv does too, its convolve does not.
    kernel = w if cell.is_net else w[(slice(None, None, -1),) * w.ndim].copy()
    if cell.family == "from-host":
        return from_host.torch_call(torch, x, kernel)
    if cell.family in _ONE_BY_ONE:
        return one_kernel.torch_call(torch, x, kernel)
    functional = torch.nn.functional
    inputs, weights = torch.from_dlpack(x), torch.from_dlpack(kernel)
    if not cell.is_net:
        inputs = inputs[:, None] if cell.family == "channels-1d" else inputs[None, None]
        weights = weights[None, None]
    if _precision(cell) == "bfloat16":
        # As PyTorch has it: what is read and written is half as long, too.
        inputs, weights = inputs.bfloat16(), weights.bfloat16()
    if channels_last:
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        weights = weights.contiguous(memory_format=torch.channels_last)
    convolve = functional.conv1d if cell.family == "channels-1d" else functional.conv2d
    options = {"padding": [k // 2 for k in weights.shape[2:]], "groups": cell.groups}
    if cell.family != "net-step":
        return lambda: convolve(inputs, weights, **options)
    leaves = [inputs.requires_grad_(), weights.requires_grad_()]
    dy = torch.ones_like(convolve(*leaves, **options))

    def step() -> Any:
        y = convolve(*leaves, **options)
        torch.autograd.grad(y, leaves, dy)
        return y.detach()

    return step


PEERS: dict[str, Callable[[Cell, Any, Any], Call]] = {
    "cupyx fftconvolve": cupyx_fft,
    "cupyx oaconvolve": cupyx_oa,
    "cupyx ndimage": cupyx_ndimage,
    "torch": torch_cudnn,
    "torch channels_last": torch_channels_last,
}


def methods(cell: Cell) -> list[str]:
    """Return convq's algorithms that are timed by themselves: those that cross over.

    For pictures under dense kernels they are in the plot; for nets it is the own kernel and cuDNN,
    where this is installed.

    Examples
    --------
    >>> methods(Cell("dense-2d", "", (9, 9), (3, 3)))
    ['direct', 'fft-tiled', 'fft-whole']
    >>> methods(Cell("gaussian", "", (9, 9), (3, 3)))
    []
    """
    nets = ("direct", "cudnn") if cudnn.missing() is None else ("direct",)
    pictures = ("direct", "fft-tiled", "fft-whole") if cell.family == "dense-2d" else ()
    shown = nets if cell.family in ("net", *ROUNDED) else pictures
    return [a.name for a in ALGORITHMS if a.name in shown]


def _wide(cell: Cell, x: Any, w: Any) -> Any:
    if cell.is_net:
        raise Skip("has no channels")
    if cell.family == "from-host":
        raise Skip("takes arrays of the device")
    if cell.family in _ONE_BY_ONE:
        raise Skip("has nothing for images that come one by one")
    return w.reshape((1,) * (x.ndim - w.ndim) + w.shape)


def _precision(cell: Cell) -> str:
    # What products of a net's cell may be made of.
    return cell.family.partition("-")[2] if cell.family in ROUNDED else "float32"


def _axes(cell: Cell, x: Any) -> tuple[int, ...]:
    return (1,) if cell.family == "channels-1d" else tuple(range(x.ndim))


def _refuse_endless(cell: Cell) -> None:
    if cell.multiply_adds > _MOST_MULTIPLY_ADDS:
        raise Skip(f"{cell.multiply_adds:.0e} multiply-adds would take too long")
