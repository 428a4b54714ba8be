"""The views of a convolution show what the engine computes; kernels are told apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

from core import conv
from core.errors import Cancelled, InvalidInput
from core.explain import (
    character,
    draw_step,
    frequency_view,
    probability_view,
    spectra,
    spread_view,
    steps,
)
from core.kernels import PRESETS, build

RNG = np.random.default_rng(0)


def preset(name: str, **parameters: Any) -> np.ndarray:
    (found,) = [one for one in PRESETS if one.name == name]
    spec = found.parameters.model_validate({"preset": name} | parameters)
    return build(spec, 2).stack[0]


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 5), st.integers(1, 5),
       st.sampled_from(["reflect", "mirror", "nearest", "wrap"]))  # fmt: skip
@settings(max_examples=40)
def test_sums_of_patches_are_the_convolution(h: int, w: int, a: int, b: int, boundary: Any) -> None:
    x, kernel = RNG.normal(size=(h, w)), RNG.normal(size=(a, b))
    found = np.zeros((h, w))
    for step in steps(x, kernel, boundary):
        found[step.place] = step.sum
        np.testing.assert_allclose(step.products, step.patch * kernel[::-1, ::-1])
    np.testing.assert_allclose(found, conv.convolve(x, kernel, "same", boundary), atol=1e-12)


@given(st.integers(3, 8), st.integers(3, 8), st.integers(1, 3), st.integers(1, 3))
@settings(max_examples=30)
def test_the_product_of_spectra_is_that_of_the_convolution(h: int, w: int, a: int, b: int) -> None:
    x, kernel = RNG.normal(size=(h, w)), RNG.normal(size=(a, b))
    y = scipy.ndimage.convolve(x, kernel, mode="wrap")
    np.testing.assert_allclose(spectra(x, kernel)[2], np.fft.fftshift(np.fft.fft2(y)), atol=1e-9)


@pytest.mark.parametrize(
    ("kernel", "sort"),
    [
        (preset("identity"), "identity"),
        (preset("box", size=5), "low-pass"),
        (preset("gaussian", sigma=1.3), "low-pass"),
        (preset("motion-blur", length=9.0), "low-pass"),
        (preset("sobel-x"), "edge"),
        (preset("laplacian"), "edge"),
        (preset("laplacian-of-gaussian"), "edge"),
        (preset("sharpen"), "sharpening"),
        (preset("unsharp"), "sharpening"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_presets_are_told_apart(kernel: np.ndarray, sort: str) -> None:
    seen = character(kernel)
    assert seen.sort == sort
    assert seen.is_zero_sum == (abs(kernel.sum()) < 1e-9)
    assert seen.rank == np.linalg.matrix_rank(kernel, tol=1e-6)
    assert seen.is_probability == (sort in ("identity", "low-pass"))


@pytest.mark.parametrize("degrees", [-80, -45, -10, 0, 30, 60, 85])
def test_the_direction_is_that_of_the_lines(degrees: float) -> None:
    rows, columns = np.mgrid[-10:11, -10:11]
    angle = np.radians(degrees)
    along = columns * np.cos(angle) - rows * np.sin(angle)
    across = columns * np.sin(angle) + rows * np.cos(angle)
    window = np.exp(-(rows**2 + columns**2) / 18)
    for wave in (np.sin(across), np.cos(across)):
        kernel = wave * window
        kernel -= window * kernel.sum() / window.sum()
        seen = character(kernel)
        assert seen.sort == "edge"
        assert seen.orientation is not None
        assert abs((seen.orientation - degrees + 90) % 180 - 90) < 0.5
    # What is long in a direction keeps the lines of that direction.
    seen = character(np.exp(-(along**2) / 40 - across**2 / 4))
    assert seen.orientation is not None
    assert abs((seen.orientation - degrees + 90) % 180 - 90) < 0.5
    assert character(window).orientation is None


def test_symmetry_and_gains() -> None:
    assert character(preset("sobel-y")).symmetry == "odd"
    assert character(preset("laplacian")).symmetry == "even"
    assert character(np.array([[1.0, 2.0, 4.0]])).symmetry == "none"
    seen = character(np.array([[-1.0, 3.0, -1.0]]))
    assert (seen.gain_of_mean, round(seen.largest_gain, 6)) == (1, 5)
    assert character(RNG.normal(size=(4, 6))).rank == 4


def test_diffusion_keeps_what_there_is() -> None:
    x = RNG.uniform(60, 190, (20, 24))
    frames = spread_view(x, preset("sobel-x"), 3)
    assert [frame.shape for frame in frames] == [(20, 24)] * 4
    means = [frame.mean() for frame in frames]
    assert max(means) - min(means) < 2
    assert frames[3].std() < frames[0].std() / 3


def test_pictures_have_the_same_size_whatever_is_shown() -> None:
    x, kernel = RNG.uniform(0, 255, (9, 12)), preset("sobel-x")
    first, *_, last = steps(x, kernel)
    done = np.zeros((9, 12))
    early, late = draw_step(x, kernel, done, first), draw_step(x, kernel, done, last)
    assert early.shape == late.shape == (188, 636, 3)
    # Outputs that are still to come are white.
    assert late[20:150, 490:].mean() < early[20:150, 490:].mean() - 50
    assert frequency_view(x, kernel).shape[2] == 3
    assert probability_view(x, kernel).shape[2] == 3


def test_what_is_no_kernel_is_refused() -> None:
    for kernel in (np.zeros((3, 3)), np.ones(3), np.ones((0, 2))):
        with pytest.raises(InvalidInput, match="no kernel"):
            character(kernel)


def test_it_can_be_stopped() -> None:
    def check() -> None:
        raise Cancelled("stop")

    for view in (
        lambda: spread_view(np.ones((4, 4)), np.ones((2, 2)), 2, check=check),
        lambda: probability_view(np.ones((4, 4)), np.ones((2, 2)), check=check),
    ):
        with pytest.raises(Cancelled):
            view()
