"""Power in rings and sectors, against loops."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.spectrum import direction_power, frequencies, ring_power, transform

SEEDS = st.integers(0, 1000)


@given(SEEDS, st.integers(2, 12), st.integers(2, 12), st.integers(1, 7))
def test_rings_hold_the_variance(seed: int, height: int, width: int, rings: int) -> None:
    x = np.random.default_rng(seed).normal(size=(height, width))
    spectrum = transform(x, "none")
    edges, power = ring_power(spectrum, rings)
    np.testing.assert_allclose(power.sum(), x.var())
    expected = np.zeros(rings)
    fy, fx = frequencies((height, width))
    for row in range(height):
        for column in range(width):
            radius = math.hypot(fy[row, 0], fx[0, column])
            if radius > 0:
                ring = min(int(radius / edges[-1] * rings), rings - 1)
                expected[ring] += abs(spectrum[row, column]) ** 2 / x.size**2
    np.testing.assert_allclose(power, expected, atol=1e-12)


@given(st.integers(0, 179), st.floats(0.1, 0.3))
def test_a_wave_is_in_the_sector_of_its_direction(degrees: int, frequency: float) -> None:
    y, x = np.mgrid[:96, :96]
    angle = math.radians(degrees)
    wave = np.sin(2 * math.pi * frequency * (x * math.cos(angle) - y * math.sin(angle)))
    power = direction_power(transform(wave, "hann"), 36)
    distance = (int(power.argmax()) * 5 - degrees + 90) % 180 - 90
    assert abs(distance) <= 5


@given(SEEDS)
def test_sectors_hold_what_is_not_in_the_corners(seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(9, 12))
    spectrum = transform(x, "none")
    fy, fx = frequencies((9, 12))
    inside = (np.hypot(fy, fx) <= 0.5) & (np.hypot(fy, fx) > 0)
    expected = (abs(spectrum[inside]) ** 2).sum() / x.size**2
    np.testing.assert_allclose(direction_power(spectrum, 17).sum(), expected)
