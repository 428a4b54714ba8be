"""The short-time Fourier transform: how strong each frequency is at each moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from pydantic import Field

from core.arrays import Array, fft_module, windows
from core.errors import InvalidInput
from core.nets.constants import beside
from core.nets.layer import Backward, Context, Layer, LayerSpec, Shape, Weights

Window: TypeAlias = Literal["hann", "hamming", "rectangular"]


class FrameSpec(LayerSpec):
    """How a recording is cut into frames."""

    frame: int = Field(default=512, ge=2, le=1 << 16, description="Samples of a frame.")
    hop: int = Field(default=256, ge=1, le=1 << 16, description="Samples from frame to frame.")
    window: Window = Field(
        default="hann", description="What a frame is multiplied by, so that its ends do not count."
    )


class StftSpec(FrameSpec):
    """How strong each frequency is in each frame of a sound."""

    layer: Literal["stft"]
    output: Literal["power", "magnitude"] = Field(
        default="power", description="The square of the absolute value, or the absolute value."
    )


def shape(spec: FrameSpec, shapes: Sequence[Shape]) -> Shape:
    """Return ``(channels, frame // 2 + 1, frames)``, where ``frames`` is of those that fit."""
    (incoming,) = shapes
    if len(incoming) != 2 or incoming[1] < spec.frame:
        raise InvalidInput(
            "frames are cut out of sound that is at least one frame long",
            field="inputs",
            given=incoming,
            accepted=f"(channels, samples) with {spec.frame} samples or more",
        )
    channels, samples = incoming
    return (channels, spec.frame // 2 + 1, (samples - spec.frame) // spec.hop + 1)


def forward(
    spec: StftSpec, inputs: Sequence[Array], weights: Weights, context: Context
) -> tuple[Array, Backward]:
    """Return power or magnitude of every frequency and frame, and its gradient.

    The gradient of a magnitude is taken as 0 where it is 0.
    """
    (x,) = inputs
    y, through = power(spec, x)
    if spec.output == "magnitude":
        y = np.sqrt(y)

    def backward(dy: Array) -> tuple[tuple[Array | None, ...], dict[str, Array]]:
        if not context.wanted:
            return (None,), {}
        if spec.output == "magnitude":
            dy = dy / np.where(y, 2 * y, np.inf)
        return (through(dy),), {}

    return y, backward


def power(spec: FrameSpec, x: Array) -> tuple[Array, Callable[[Array], Array]]:
    """Return the power of every frequency and frame, and its gradient.

    Parameters
    ----------
    spec : FrameSpec
    x : array of shape ``(channels, samples, N)``

    Returns
    -------
    y : array of shape ``(channels, frequencies, frames, N)``
        ``|sum_t window[t] x[hop * j + t] exp(-2 pi i k t / frame)|**2``: no padding and no
        division by anything (`scipy.signal.ShortTimeFFT` with ``fft_mode="onesided"``, squared).
    backward : callable
        ``dy -> dx``.

    Examples
    --------
    >>> spec = StftSpec(layer="stft", frame=4, hop=2, window="rectangular")
    >>> power(spec, np.ones((1, 6, 1)))[0][0, :, :, 0]
    array([[16., 16.],
           [ 0.,  0.],
           [ 0.,  0.]])
    """
    fft = fft_module(x)
    slopes = beside(x, window(spec.window, spec.frame).astype(x.dtype))[:, None, None]
    frames = windows(x, (spec.frame,), (1,))[:, :: spec.hop]
    spectrum = fft.rfft(np.moveaxis(frames, -1, 1) * slopes, axis=1)
    y = np.square(spectrum.real)
    y += np.square(spectrum.imag)

    def backward(dy: Array) -> Array:
        # d|X|^2 / dx_t = 2 Re(conj(X) exp(-2 pi i k t / n)); the inverse transform divides by n
        # and counts all frequencies twice but the first and, of an even frame, the last.
        weighted = spectrum * (spec.frame * dy)
        weighted[:, 0] *= 2
        if spec.frame % 2 == 0:
            weighted[:, -1] *= 2
        parts = fft.irfft(weighted, n=spec.frame, axis=1)
        parts *= slopes
        dx = np.zeros_like(x)
        for j in range(parts.shape[2]):
            dx[:, j * spec.hop : j * spec.hop + spec.frame] += parts[:, :, j]
        return dx

    return y, backward


def window(kind: Window, frame: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the factors of a frame's samples: one period of a raised cosine, or ones.

    Source: F. J. Harris, "On the use of windows for harmonic analysis with the discrete Fourier
    transform", 1978, in the periodic form.

    Examples
    --------
    >>> window("hann", 4)
    array([0. , 0.5, 1. , 0.5])
    """
    floor = {"hann": 0.5, "hamming": 0.54, "rectangular": 1.0}[kind]
    return floor - (1 - floor) * np.cos(2 * np.pi * np.arange(frame) / frame)


LAYER = Layer(name="stft", spec=StftSpec, shape=shape, forward=forward)
