"""Recordings as images: ``(channels, samples)``, full scale between -1 and 1."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from core.errors import UnsupportedMedia
from core.media import WAV, decode, inspect
from core.nets.data.items import Header, Medium
from core.nets.data.limits import Limits
from core.nets.data.options import DataOptions


def describe(file: BinaryIO, options: DataOptions, limits: Limits) -> Header:
    """Read the header of a WAV.

    Raises
    ------
    UnsupportedMedia
        If it is no WAV, damaged, or holds no sample.
    """
    info = inspect(file, max_pixels=limits.pixels)
    if info.media_type != WAV:
        raise UnsupportedMedia("this is no recording", given=info.media_type, accepted=WAV)
    assert info.shape is not None
    frames, *channels = info.shape
    if frames == 0:
        raise UnsupportedMedia("this recording is empty", given="0 samples")
    shape = (channels[0] if channels else 1, options.samples or frames)
    return Header(shape, "float32", {"sample_rate": info.extra["sample_rate"]})


def read(data: bytes, options: DataOptions, limits: Limits) -> NDArray[Any]:
    """Return a recording as float32 ``(channels, samples)``.

    Integers are divided by the largest negative one of their dtype; unsigned ones, of 8-bit
    files, count from 128.
    """
    samples = decode(data, WAV, max_pixels=limits.pixels).array
    sound = _scaled(samples if samples.ndim == 2 else samples[:, None]).T
    length = options.samples or sound.shape[1]
    out = np.zeros((len(sound), length), np.float32)
    kept = min(length, sound.shape[1])
    out[:, :kept] = sound[:, :kept]
    return out


def _scaled(samples: NDArray[Any]) -> NDArray[Any]:
    if samples.dtype.kind == "f":
        return samples
    centre = 128 if samples.dtype.kind == "u" else 0
    return (samples.astype(np.float64) - centre) / (centre or -float(np.iinfo(samples.dtype).min))


SOUND = Medium(
    name="recordings",
    extensions=(".wav",),
    options=("samples",),
    advice="samples=N makes lengths alike, rates and channels must be so",
    describe=describe,
    decode=read,
)
