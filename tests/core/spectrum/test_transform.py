"""The centred transform against its definition, and what the windows do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.errors import InvalidInput
from core.spectrum import WINDOWS, frequencies, transform

PICTURES = arrays(
    np.float64,
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    elements=st.floats(-100, 100, width=32),
)


def by_definition(x: np.ndarray) -> np.ndarray:
    fy, fx = frequencies(x.shape)
    rows, columns = np.arange(x.shape[0]), np.arange(x.shape[1])
    return np.exp(-2j * np.pi * fy * rows) @ x @ np.exp(-2j * np.pi * fx.T * columns).T


@given(PICTURES)
def test_without_a_window_it_is_the_definition(x: np.ndarray) -> None:
    np.testing.assert_allclose(transform(x, "none"), by_definition(x), atol=1e-9)


@given(PICTURES)
def test_periodic_takes_the_jumps_away_and_nothing_else(x: np.ndarray) -> None:
    smooth = x - np.fft.ifft2(np.fft.ifftshift(transform(x))).real
    assert abs(smooth.sum()) < 1e-8
    # Its Laplacian, over a pattern without end, is what the jumps put at the edges.
    laplacian = sum(np.roll(smooth, step, axis) for step in (1, -1) for axis in (0, 1)) - 4 * smooth
    jumps = np.zeros_like(x)
    for axis in (0, 1):
        view = np.moveaxis(jumps, axis, 0)
        first, last = np.moveaxis(x, axis, 0)[[0, -1]]
        view[0] += last - first
        view[-1] += first - last
    np.testing.assert_allclose(laplacian, jumps, atol=1e-8)


def test_a_ramp_makes_no_cross() -> None:
    ramp = np.broadcast_to(np.arange(64.0), (64, 64))
    cross = {window: abs(transform(ramp, window)[32, :8]).sum() for window in WINDOWS}
    assert cross["periodic"] < cross["none"] / 50
    assert cross["hann"] < cross["none"] / 20


def test_single_precision_stays() -> None:
    assert transform(np.ones((4, 4), np.float32)).dtype == np.complex64


def test_other_windows_are_refused() -> None:
    with pytest.raises(InvalidInput, match="periodic, hann, none"):
        transform(np.ones((2, 2)), "kaiser")  # type: ignore[arg-type]
