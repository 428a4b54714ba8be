"""The log-mel spectrogram: loudness in bands that are as wide as the ear hears them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import log10
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from core.arrays import Array, matmul
from core.errors import InvalidInput
from core.nets.constants import beside
from core.nets.layer import Backward, Context, Layer, Shape, Weights
from core.nets.layers import stft

FloatArray = np.ndarray[Any, np.dtype[np.float64]]


class LogMelSpec(stft.FrameSpec):
    """How loud each frame of a sound is, in bands as wide as the ear hears them."""

    layer: Literal["log_mel"]
    sample_rate: int = Field(ge=1, le=10_000_000, description="Samples per second.")
    bands: int = Field(default=64, ge=1, le=4096, description="How many bands.")
    fmin: float = Field(default=0.0, ge=0, description="Where the lowest band begins, in Hz.")
    fmax: float | None = Field(
        default=None,
        gt=0,
        description="Where the highest band ends, in Hz; null: at half the sample rate.",
    )
    epsilon: float = Field(
        default=1e-6, gt=0, le=1, description="Added to the power, whose logarithm is taken."
    )

    @model_validator(mode="after")
    def _bands_lie_within_the_spectrum(self) -> LogMelSpec:
        if not self.fmin < self.highest <= self.sample_rate / 2:
            raise ValueError("fmin < fmax <= sample_rate / 2 is needed")
        return self

    @property
    def highest(self) -> float:
        """Where the highest band ends, in Hz."""
        return self.sample_rate / 2 if self.fmax is None else self.fmax


def shape(spec: LogMelSpec, shapes: Sequence[Shape]) -> Shape:
    """Return ``(channels, bands, frames)``."""
    channels, _, frames = stft.shape(spec, shapes)
    if not filters_of(spec).any(axis=1).all():
        raise InvalidInput(
            "a band is so narrow that no frequency of the transform lies in it",
            field="bands",
            given=spec.bands,
            accepted=f"fewer, or frames longer than {spec.frame} samples",
        )
    return (channels, spec.bands, frames)


def forward(
    spec: LogMelSpec, inputs: Sequence[Array], weights: Weights, context: Context
) -> tuple[Array, Backward]:
    """Return ``log(filters @ power + epsilon)``, and its gradient; see `mel_filters`."""
    (x,) = inputs
    power, through = stft.power(spec, x)
    channels, frequencies, *rest = power.shape
    filters = beside(x, filters_of(spec).astype(x.dtype, copy=False))
    energy = matmul(filters, power.reshape(channels, frequencies, -1))
    energy += spec.epsilon

    def backward(dy: Array) -> tuple[tuple[Array | None, ...], dict[str, Array]]:
        if not context.wanted:
            return (None,), {}
        slope = matmul(filters.T, dy.reshape(energy.shape) / energy)
        return (through(slope.reshape(power.shape)),), {}

    return np.log(energy).reshape(channels, spec.bands, *rest), backward


def multiply_adds(spec: LogMelSpec, shapes: Sequence[Shape]) -> int:
    """Return those of the filters; the transform's are not counted."""
    channels, frequencies, frames = stft.shape(spec, shapes)
    return channels * spec.bands * frequencies * frames


@lru_cache(maxsize=16)
def mel_filters(bands: int, frame: int, sample_rate: int, fmin: float, fmax: float) -> FloatArray:
    """Return the weight of each frequency in each band: triangles of height 1.

    Corners lie evenly on the mel scale, ``2595 log10(1 + f / 700)`` (D. O'Shaughnessy, "Speech
    communication: human and machine", 1987, as HTK has it); a triangle begins at the top of the one
    before and ends at that of the next.

    Parameters
    ----------
    bands : int
    frame : int
        Samples of a frame.
    sample_rate : int
        Samples per second.
    fmin, fmax : float
        Where the first triangle begins and the last one ends, in Hz.

    Returns
    -------
    ndarray of float64, shape ``(bands, frame // 2 + 1)``

    Examples
    --------
    >>> mel_filters(2, 16, 8000, 0.0, 4000.0).round(2)
    array([[0.  , 0.81, 0.68, 0.25, 0.  , 0.  , 0.  , 0.  , 0.  ],
           [0.  , 0.  , 0.32, 0.75, 0.91, 0.68, 0.45, 0.23, 0.  ]])
    """
    lowest, highest = (2595 * log10(1 + f / 700) for f in (fmin, fmax))
    mels = np.linspace(lowest, highest, bands + 2)
    corners = 700 * (10 ** (mels / 2595) - 1)
    frequencies = np.arange(frame // 2 + 1) * (sample_rate / frame)
    low, top, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising, falling = (frequencies - low) / (top - low), (high - frequencies) / (high - top)
    return np.maximum(np.minimum(rising, falling), 0.0)


def filters_of(spec: LogMelSpec) -> FloatArray:
    """Return the `mel_filters` that ``spec`` describes."""
    return mel_filters(spec.bands, spec.frame, spec.sample_rate, spec.fmin, spec.highest)


LAYER = Layer(
    name="log_mel", spec=LogMelSpec, shape=shape, forward=forward, multiply_adds=multiply_adds
)
