"""Every preset against an implementation that is not ours, or its formula tap by tap."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import skimage.filters
import skimage.morphology
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from core.errors import InvalidInput
from core.kernels import MAX_SIDE, MAX_TAPS, PRESETS, PresetKernel, build

ADAPTER: TypeAdapter[Any] = TypeAdapter(PresetKernel)


def make(ndim: int, **parameters: Any) -> Any:
    return build(ADAPTER.validate_python(parameters), ndim)


def taps(ndim: int, **parameters: Any) -> np.ndarray:
    kernel = make(ndim, **parameters)
    assert kernel.combine is None
    assert kernel.stack.dtype == np.float64
    assert kernel.stack.shape[0] == 1
    return kernel.stack[0]


def impulse_like(shape: tuple[int, ...]) -> np.ndarray:
    impulse = np.zeros(shape)
    impulse[tuple(side // 2 for side in shape)] = 1.0
    return impulse


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_identity_changes_nothing(ndim: int) -> None:
    x = np.random.default_rng(0).normal(size=(6,) * ndim)
    np.testing.assert_array_equal(scipy.ndimage.convolve(x, taps(ndim, preset="identity")), x)


@given(size=st.integers(1, 9), ndim=st.integers(1, 3))
@settings(max_examples=20)
def test_box_is_uniform_filter(size: int, ndim: int) -> None:
    x = np.random.default_rng(size).normal(size=(12,) * ndim)
    got = scipy.ndimage.correlate(x, taps(ndim, preset="box", size=size))
    np.testing.assert_allclose(got, scipy.ndimage.uniform_filter(x, size), atol=1e-12)


@given(sigma=st.floats(0.01, 4), truncate=st.floats(0.5, 5), ndim=st.integers(1, 2))
@settings(max_examples=30)
def test_gaussian_is_the_impulse_response_of_scipy(
    sigma: float, truncate: float, ndim: int
) -> None:
    got = taps(ndim, preset="gaussian", sigma=sigma, truncate=truncate)
    expected = scipy.ndimage.gaussian_filter(impulse_like(got.shape), sigma, truncate=truncate)
    np.testing.assert_allclose(got, expected, atol=1e-15)
    assert got.shape == (2 * int(truncate * sigma + 0.5) + 1,) * ndim


@given(sigma=st.floats(0.3, 3), ndim=st.integers(1, 3))
@settings(max_examples=20)
def test_laplacian_of_gaussian_is_the_impulse_response_of_scipy(sigma: float, ndim: int) -> None:
    got = taps(ndim, preset="laplacian-of-gaussian", sigma=sigma, truncate=3.0)
    # mode constant: the response reaches the border exactly.
    expected = scipy.ndimage.gaussian_laplace(
        impulse_like(got.shape), sigma, mode="constant", truncate=3.0
    )
    np.testing.assert_allclose(got, expected, atol=1e-12)


@given(sigma=st.floats(0.3, 3), amount=st.floats(0.1, 5))
@settings(max_examples=15)
def test_unsharp_adds_what_the_blur_removes(sigma: float, amount: float) -> None:
    x = np.random.default_rng(1).normal(size=(20, 20))
    got = scipy.ndimage.convolve(x, taps(2, preset="unsharp", sigma=sigma, amount=amount))
    expected = x + amount * (x - scipy.ndimage.gaussian_filter(x, sigma))
    np.testing.assert_allclose(got, expected, atol=1e-12)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_laplacian_and_sharpen(ndim: int) -> None:
    x = np.random.default_rng(2).normal(size=(7,) * ndim)
    laplace = scipy.ndimage.laplace(x)
    got = scipy.ndimage.convolve(x, taps(ndim, preset="laplacian"))
    np.testing.assert_allclose(got, laplace, atol=1e-12)
    got = scipy.ndimage.convolve(x, taps(ndim, preset="sharpen", strength=0.5))
    np.testing.assert_allclose(got, x - 0.5 * laplace, atol=1e-12)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_edge_is_the_difference_to_all_neighbours(ndim: int) -> None:
    x = np.random.default_rng(3).normal(size=(7,) * ndim)
    count = 3**ndim
    expected = count * (x - scipy.ndimage.uniform_filter(x, 3))
    got = scipy.ndimage.convolve(x, taps(ndim, preset="edge"))
    np.testing.assert_allclose(got, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("ndim", "preset", "back"),
    [(1, "sobel-x", 1), (2, "sobel-x", 1), (3, "sobel-x", 1), (2, "sobel-y", 2), (3, "sobel-y", 2)],
)
def test_sobel_directions(ndim: int, preset: str, back: int) -> None:
    x = np.random.default_rng(4).normal(size=(7,) * ndim)
    got = scipy.ndimage.convolve(x, taps(ndim, preset=preset))
    np.testing.assert_allclose(got, scipy.ndimage.sobel(x, axis=ndim - back), atol=1e-12)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize(
    ("preset", "reference"),
    [
        ("sobel-magnitude", scipy.ndimage.sobel),
        ("prewitt", scipy.ndimage.prewitt),
    ],
)
def test_magnitude_is_the_length_of_the_gradient(ndim: int, preset: str, reference: Any) -> None:
    x = np.random.default_rng(5).normal(size=(7,) * ndim)
    kernel = make(ndim, preset=preset)
    assert kernel.combine == "magnitude"
    assert kernel.stack.shape == (ndim, *(3,) * ndim)
    got = np.sqrt(sum(scipy.ndimage.convolve(x, one) ** 2 for one in kernel.stack))
    expected = np.sqrt(sum(reference(x, axis=axis) ** 2 for axis in range(ndim)))
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_scharr_is_skimages_in_integers() -> None:
    x = np.random.default_rng(6).normal(size=(9, 9))
    # skimage scales the weights to sum 1, and the length by 1/sqrt(2).
    for direction, reference in (("x", skimage.filters.scharr_v), ("y", skimage.filters.scharr_h)):
        got = scipy.ndimage.convolve(x, taps(2, preset="scharr", direction=direction))
        np.testing.assert_allclose(got / 16, reference(x), atol=1e-12)
    kernel = make(2, preset="scharr")
    got = np.hypot(*(scipy.ndimage.convolve(x, one) for one in kernel.stack))
    np.testing.assert_allclose(got / 16 / math.sqrt(2), skimage.filters.scharr(x), atol=1e-12)


@pytest.mark.parametrize("direction", ["x", "y"])
def test_prewitt_directions(direction: str) -> None:
    x = np.random.default_rng(7).normal(size=(6, 8))
    got = scipy.ndimage.convolve(x, taps(2, preset="prewitt", direction=direction))
    expected = scipy.ndimage.prewitt(x, axis={"x": 1, "y": 0}[direction])
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_emboss_lights_the_upper_left() -> None:
    bump = np.zeros((9, 9))
    bump[3:6, 3:6] = 1.0
    relief = scipy.ndimage.convolve(bump, taps(2, preset="emboss"))
    assert relief[2, 2] > 0 > relief[6, 6]
    # A flat picture keeps its brightness.
    assert taps(2, preset="emboss", strength=3.0).sum() == pytest.approx(1.0)


@given(
    wavelength=st.floats(2, 10),
    angle=st.floats(-180, 180),
    sigma=st.floats(0.5, 4),
    aspect=st.floats(0.4, 2.5),
    phase=st.floats(-180, 180),
)
@settings(max_examples=30)
def test_gabor_is_skimages_but_for_its_scale(
    wavelength: float, angle: float, sigma: float, aspect: float, phase: float
) -> None:
    got = taps(
        2,
        preset="gabor",
        wavelength=wavelength,
        angle=angle,
        sigma=sigma,
        aspect=aspect,
        phase=phase,
    )
    # skimage turns clockwise on the screen, and chooses a size of its own.
    reference = skimage.filters.gabor_kernel(
        1 / wavelength,
        theta=-math.radians(angle),
        sigma_x=sigma,
        sigma_y=sigma / aspect,
        offset=math.radians(phase),
        n_stds=10,
    ).real * (2 * math.pi * sigma * sigma / aspect)
    common = [min(a, b) for a, b in zip(got.shape, reference.shape, strict=True)]
    np.testing.assert_allclose(_middle(got, common), _middle(reference, common), atol=1e-12)


def _middle(array: np.ndarray, shape: list[int]) -> np.ndarray:
    starts = [(have - want) // 2 for have, want in zip(array.shape, shape, strict=True)]
    return array[
        tuple(slice(start, start + want) for start, want in zip(starts, shape, strict=True))
    ]


def test_gabor_has_one_octave_by_default() -> None:
    got = taps(2, preset="gabor", wavelength=8.0)
    # The frequencies that pass at half the peak or more span one octave.
    spectrum = np.abs(np.fft.fft(got[got.shape[0] // 2], 4096))[:2048]
    above = np.flatnonzero(spectrum >= spectrum.max() / 2)
    assert above[-1] / above[0] == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("radius", [1, 2, 3, 7])
def test_disk_is_skimages(radius: int) -> None:
    for ndim, reference in ((2, skimage.morphology.disk), (3, skimage.morphology.ball)):
        expected = reference(radius).astype(float)
        np.testing.assert_allclose(
            taps(ndim, preset="disk", radius=radius), expected / expected.sum(), atol=1e-15
        )


@given(length=st.floats(1, 20), angle=st.floats(-360, 360))
@settings(max_examples=40)
def test_motion_blur_weighs_by_the_distance_to_the_path(length: float, angle: float) -> None:
    got = taps(2, preset="motion-blur", length=length, angle=angle)
    size = 2 * math.ceil(length) + 3
    centre = size // 2
    half = (length - 1) / 2
    dx, dy = math.cos(math.radians(angle)), -math.sin(math.radians(angle))
    expected = np.zeros((size, size))
    for row in range(size):
        for column in range(size):
            x, y = column - centre, row - centre
            along = min(max(x * dx + y * dy, -half), half)
            distance = math.dist((x, y), (along * dx, along * dy))
            expected[row, column] = max(0.0, 1.0 - distance)
    expected /= expected.sum()
    np.testing.assert_allclose(got, _middle(expected, list(got.shape)), atol=1e-9)
    # Nothing but zeros was cut off.
    assert got.sum() == pytest.approx(1.0)


def test_motion_blur_along_the_axes() -> None:
    level = taps(2, preset="motion-blur", length=5.0)
    np.testing.assert_allclose(level, np.full((1, 5), 0.2))
    np.testing.assert_allclose(taps(2, preset="motion-blur", length=5.0, angle=90.0), level.T)
    # Counter-clockwise: 45 degrees runs from the lower left to the upper right.
    diagonal = taps(2, preset="motion-blur", length=5.0, angle=45.0)
    assert diagonal[0, -1] > diagonal[0, 0]


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
@pytest.mark.parametrize("ndim", [0, 1, 2, 3, 4])
def test_dimensions(preset: Any, ndim: int) -> None:
    parameters = ADAPTER.validate_python({"preset": preset.name})
    if ndim in preset.dimensions:
        kernel = build(parameters, ndim)
        assert kernel.stack.ndim == ndim + 1
        assert np.isfinite(kernel.stack).all()
        assert (kernel.combine is None) == (len(kernel.stack) == 1)
    else:
        with pytest.raises(InvalidInput, match="spatial axes") as caught:
            build(parameters, ndim)
        assert caught.value.field == "kernel.preset"


@pytest.mark.parametrize(
    ("ndim", "parameters", "field"),
    [
        (3, {"preset": "identity", "size": 301}, "kernel.size"),
        (3, {"preset": "box", "size": 4096}, "kernel.size"),
        (1, {"preset": "gaussian", "sigma": 500, "truncate": 10}, "kernel.sigma"),
        (3, {"preset": "gaussian", "sigma": 500}, "kernel.sigma"),
        (3, {"preset": "laplacian-of-gaussian", "sigma": 500}, "kernel.sigma"),
        (3, {"preset": "unsharp", "sigma": 500}, "kernel.sigma"),
        (3, {"preset": "disk", "radius": 2000}, "kernel.radius"),
        (2, {"preset": "gabor", "sigma": 500, "aspect": 0.1}, "kernel.sigma"),
    ],
)
def test_a_kernel_that_is_too_large_is_refused(
    ndim: int, parameters: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput, match="too large") as caught:
        make(ndim, **parameters)
    assert caught.value.field == field


def test_the_largest_kernels_keep_the_limits() -> None:
    for parameters in (
        {"preset": "motion-blur", "length": 4000, "angle": 45.0},
        {"preset": "gabor", "wavelength": 1000},
    ):
        stack = make(2, **parameters).stack
        assert max(stack.shape) <= MAX_SIDE
        assert stack.size <= MAX_TAPS
