"""Directions of lines: of pages that were set and turned, of waves, of nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from core.errors import InvalidInput
from core.spectrum import orientation, rotate

WORDS = ["the", "convolution", "kernel", "diffusion", "of", "Fourier", "amplitudes", "image"]


def page(degrees: float, size: int, seed: int = 0, noise: float = 0.0) -> np.ndarray:
    """Set a page of level lines, and turn it with Pillow."""
    random = np.random.default_rng(seed)
    side = int(1.5 * size)
    image = Image.new("L", (side, side), 255)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(14)
    for top in range(0, side, 22):
        draw.text((0, top), " ".join(random.choice(WORDS, 30)), fill=0, font=font)
    turned = image.rotate(degrees, resample=Image.Resampling.BICUBIC)
    start = (side - size) // 2
    cut = np.asarray(turned, np.float32)[start : start + size, start : start + size]
    return cut + noise * random.normal(size=cut.shape).astype(np.float32)


def apart(a: float, b: float) -> float:
    return abs((a - b + 90) % 180 - 90)


@settings(max_examples=15)
@given(st.floats(-89, 89), st.sampled_from([0, 60]), st.sampled_from([240, 400]))
def test_a_turned_page_is_told(degrees: float, noise: float, size: int) -> None:
    seen = orientation(page(degrees, size, int(abs(degrees)), noise))
    assert apart(seen.degrees, degrees) < 0.5
    assert seen.confidence > 0.8


@settings(max_examples=15)
@given(st.floats(-90, 90), st.floats(0.08, 0.2), st.floats(0, 6))
def test_a_wave_is_told(degrees: float, frequency: float, phase: float) -> None:
    y, x = np.mgrid[:128, :150]
    angle = math.radians(degrees)
    along = x * math.sin(angle) + y * math.cos(angle)
    seen = orientation(np.sin(2 * math.pi * frequency * along + phase))
    assert apart(seen.degrees, degrees) < 0.4
    assert -90 <= seen.degrees < 90


def test_noise_and_nothing_have_no_direction() -> None:
    assert orientation(np.full((32, 32), 7.0)).confidence == 0
    noise = np.random.default_rng(0).normal(size=(256, 256))
    assert orientation(noise).confidence < 0.5


def test_a_page_is_made_level() -> None:
    level = rotate(page(-7.3, 300), 7.3)
    assert apart(orientation(level).degrees, 0) < 0.1
    assert level.dtype == np.float32


def test_colours_are_turned_alike() -> None:
    grey = page(5, 64)
    colours = rotate(np.stack([grey, grey / 2], axis=-1), 12)
    np.testing.assert_allclose(colours[..., 0], rotate(grey, 12), rtol=1e-6)
    np.testing.assert_allclose(colours[..., 1], rotate(grey / 2, 12), rtol=1e-6)


def test_too_small_pictures_are_refused() -> None:
    with pytest.raises(InvalidInput, match="16 pixels"):
        orientation(np.zeros((15, 100)))
