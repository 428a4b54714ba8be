"""Pictures for the page: previews, kernels and spectrograms, as data URLs or SVG."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import wavfile
from scipy.signal import stft

from core.errors import InvalidInput

WIDEST = 900
DETAIL = (720, 480)
TILE = 240

# Positive and negative taps. What is zero is transparent, so it is right on any background.
_POSITIVE = (224, 122, 31)
_NEGATIVE = (47, 111, 208)
# From silence to loud, dark to light, in steps that look even.
_HEAT = np.array([(13, 13, 36), (73, 22, 107), (166, 44, 96), (237, 105, 37), (252, 225, 160)])


def preview(path: Path, widest: int = WIDEST) -> str:
    """Return a picture file as a data URL, made smaller when it is wider than `widest` pixels."""
    with Image.open(path) as picture:
        picture.thumbnail((widest, widest))
        return _data_url(picture)


def detail(path: Path) -> str:
    """Return the middle of a picture file at full size as a data URL."""
    with Image.open(path) as picture:
        left, top = (picture.width - DETAIL[0]) // 2, (picture.height - DETAIL[1]) // 2
        return _data_url(picture.crop((left, top, left + DETAIL[0], top + DETAIL[1])))


def tile(path: Path) -> str:
    """Return a square cut from a picture file, for a sheet of many, as a data URL."""
    with Image.open(path) as picture:
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        square = picture.crop((left, top, left + side, top + side))
        square.thumbnail((TILE, TILE))
        return _data_url(square)


def kernel_picture(taps: NDArray[np.float64]) -> str:
    """Draw a kernel: a data URL with one pixel for each tap, or, in one dimension, an SVG curve.

    Parameters
    ----------
    taps : ndarray of float64, shape (K,) or (KH, KW)
        Positive taps are drawn orange, negative ones blue, zero is transparent.

    Returns
    -------
    str
        Markup for the page.

    Raises
    ------
    InvalidInput
        When the kernel has more than two axes.
    """
    largest = np.abs(taps).max() or 1.0
    if taps.ndim == 1:
        return _curve(taps / largest)
    if taps.ndim != 2:
        raise InvalidInput("cannot draw it", field="taps", given=taps.shape, accepted="1-D, 2-D")
    pixels = np.zeros((*taps.shape, 4), np.uint8)
    pixels[..., :3] = np.where(taps[..., np.newaxis] > 0, _POSITIVE, _NEGATIVE)
    # The square root shows the small taps, of which a kernel has many, too.
    pixels[..., 3] = np.rint(255 * np.sqrt(np.abs(taps) / largest))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    height, width = taps.shape
    return (
        f'<img class="taps" alt="kernel, {height} × {width} taps" '
        f'src="{_base64("image/png", buffer.getvalue())}">'
    )


def spectrogram(path: Path) -> str:
    """Draw the loudness of a WAV file over time and frequency, down to -90 dB, as a data URL."""
    rate, samples = wavfile.read(path)
    _, _, spectrum = stft(samples / np.iinfo(samples.dtype).max, rate, nperseg=512)
    decibels = 20 * np.log10(np.maximum(np.abs(spectrum), 1e-9))
    height = np.clip((decibels[::-1] + 90) / 70, 0, 1) * (len(_HEAT) - 1)
    steps = np.arange(len(_HEAT))
    colours = np.stack([np.interp(height, steps, _HEAT[:, channel]) for channel in range(3)], -1)
    return _data_url(Image.fromarray(colours.astype(np.uint8)).resize((720, 320)))


def sound(path: Path) -> str:
    """Return a WAV file as a data URL."""
    return _base64("audio/wav", path.read_bytes())


def _curve(heights: NDArray[np.float64]) -> str:
    x = np.linspace(2, 98, heights.size)
    y = 36 - 30 * heights
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return (
        f'<svg class="curve" viewBox="0 0 100 48" role="img" '
        f'aria-label="kernel, {heights.size} taps">'
        f'<line x1="0" y1="36" x2="100" y2="36"/><polyline points="{points}"/></svg>'
    )


def _data_url(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "WEBP", quality=86)
    return _base64("image/webp", buffer.getvalue())


def _base64(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
