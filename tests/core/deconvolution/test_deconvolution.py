"""Deconvolution against dense matrices, and against scikit-image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data, restoration

from core.deconvolution import gaussian_width, inverse, richardson_lucy, wiener
from core.errors import Cancelled, InvalidInput

SHAPES = st.tuples(st.integers(4, 7), st.integers(4, 7))
SIDES = st.tuples(st.integers(1, 4), st.integers(1, 4))
SEEDS = st.integers(0, 1 << 16)


def matrix(shape: Any, size: Any, blur: Any) -> np.ndarray:
    """Return the matrix of a linear function of pictures, column by column."""
    units = np.eye(int(np.prod(shape))).reshape(-1, *shape)
    columns = np.stack([blur(unit).ravel() for unit in units], axis=1)
    assert columns.shape[0] == np.prod(size)
    return columns


def ring(kernel: np.ndarray) -> Any:
    return lambda x: scipy.ndimage.convolve(x, kernel, mode="wrap")


@given(SHAPES, SIDES, SEEDS)
@settings(max_examples=30)
def test_wiener_is_ridge_regression_on_a_ring(shape: Any, sides: Any, seed: int) -> None:
    random = np.random.default_rng(seed)
    kernel, y = random.random(sides), random.normal(size=shape)
    a = matrix(shape, shape, ring(kernel))
    expected = np.linalg.solve(a.T @ a + 0.05 * np.eye(y.size), a.T @ y.ravel())
    found = wiener(y, kernel, [0, 1], 0.05, "wrap")
    np.testing.assert_allclose(found, expected.reshape(shape), atol=1e-9)


@given(SHAPES, SIDES, SEEDS)
@settings(max_examples=30)
def test_inversion_weighs_roughness(shape: Any, sides: Any, seed: int) -> None:
    random = np.random.default_rng(seed)
    kernel, y = random.random(sides), random.normal(size=shape)
    a = matrix(shape, shape, ring(kernel))
    b = matrix(shape, shape, lambda x: scipy.ndimage.laplace(x, mode="wrap"))
    expected = np.linalg.solve(a.T @ a + 0.1 * b.T @ b, a.T @ y.ravel())
    found = inverse(y, kernel, [0, 1], 0.1, "wrap")
    np.testing.assert_allclose(found, expected.reshape(shape), atol=1e-8)


def test_inversion_is_that_of_scikit_image() -> None:
    x = data.camera()[100:200, 150:270].astype(float)
    kernel = np.outer([1, 3, 5, 3, 1], [1, 2, 3, 2, 1]) / 117
    y = scipy.ndimage.convolve(x, kernel, mode="wrap")
    expected = restoration.wiener(y, kernel, 0.02, clip=False)
    np.testing.assert_allclose(inverse(y, kernel, [0, 1], 0.02, "wrap"), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "sides"), [((5, 7), (3, 2)), ((6, 4), (1, 4)), ((4, 4), (4, 4))], ids=str
)
def test_richardson_lucy_is_the_iteration(shape: Any, sides: Any) -> None:
    random = np.random.default_rng(sum(shape))
    kernel = random.random(sides) + 0.05
    kernel /= kernel.sum()
    y = random.random(shape) + 0.1
    whole = tuple(n + k - 1 for n, k in zip(shape, sides, strict=True))
    a = matrix(whole, shape, lambda x: scipy.signal.convolve2d(x, kernel, "valid"))
    x = np.full(a.shape[1], y.mean())
    seen = a.sum(axis=0)
    likelihood = []
    for _ in range(6):
        x = np.where(seen > 1e-3, x * (a.T @ (y.ravel() / (a @ x))) / seen, x)
        likelihood.append((y.ravel() * np.log(a @ x) - a @ x).sum())
    first = [k - 1 - k // 2 for k in sides]
    rows, columns = (slice(i, i + n) for i, n in zip(first, shape, strict=True))
    found = richardson_lucy(y, kernel, [0, 1], 6)
    np.testing.assert_allclose(found, x.reshape(whole)[rows, columns], rtol=1e-8)
    assert (np.diff(likelihood) > -1e-9).all()


@pytest.mark.parametrize(
    ("method", "most"),
    [("wiener", [1.25, 0.5]), ("inverse", [1.25, 0.5]), ("richardson-lucy", [0.75, 0.5])],
)
def test_a_photograph_comes_back_up_to_its_edges(method: str, most: Any) -> None:
    x = data.camera()[100:260, 150:330].astype(np.float32)
    kernel = np.outer(*[scipy.signal.windows.gaussian(13, 1.6)] * 2)
    kernel /= kernel.sum()
    # What lay outside is not known to the one who sharpens.
    wide = scipy.ndimage.convolve(data.camera().astype(np.float32), kernel.astype(np.float32))
    noise = np.random.default_rng(0).normal(scale=0.5, size=x.shape)
    y = (wide[100:260, 150:330] + noise).astype(np.float32)
    if method == "wiener":
        found = wiener(y, kernel, [0, 1], 1e-3)
    elif method == "inverse":
        found = inverse(y, kernel, [0, 1], 1e-3)
    else:
        found = richardson_lucy(y, kernel, [0, 1], 30)
    assert found.dtype == np.float32

    def error(z: np.ndarray) -> np.ndarray:
        edge = np.ones(x.shape, bool)
        edge[8:-8, 8:-8] = False
        squares = np.square(z - x)
        return np.array([squares[edge].mean(), squares[~edge].mean()])

    # Near the edges the linear methods lack what lay outside; on a ring it would be a disaster.
    assert (error(found) < most * error(y)).all()
    assert error(found)[0] < 0.5 * error(wiener(y, kernel, [0, 1], 1e-3, "wrap"))[0]


def test_colours_are_sharpened_each() -> None:
    y = np.random.default_rng(0).random((9, 11, 3))
    kernel = np.ones((3, 2)) / 6
    for solve in (
        lambda z, axes: wiener(z, kernel, axes, 0.1),
        lambda z, axes: richardson_lucy(z, kernel, axes, 3),
    ):
        np.testing.assert_allclose(solve(y, [0, 1])[..., 1], solve(y[..., 1], [0, 1]))


@pytest.mark.parametrize(("sigma", "noise"), [(1.5, 0), (2.5, 3), (4, 1)])
@pytest.mark.parametrize("name", ["camera", "coins", "page"])
def test_the_width_of_a_blur_is_told(name: str, sigma: float, noise: float) -> None:
    x = getattr(data, name)().astype(float)
    y = scipy.ndimage.gaussian_filter(x, sigma)
    y += np.random.default_rng(0).normal(scale=noise, size=x.shape)
    assert abs(gaussian_width(y) / sigma - 1) < 0.2


@pytest.mark.parametrize("scale", [1e300, 1e-300])
def test_blur_is_told_whatever_the_unit(scale: float) -> None:
    y = scipy.ndimage.gaussian_filter(data.camera().astype(float), 2)
    assert gaussian_width(scale * y) == pytest.approx(gaussian_width(y), rel=1e-6)


def test_what_cannot_be_undone_is_refused() -> None:
    y = np.ones((5, 5))
    with pytest.raises(InvalidInput, match="larger"):
        wiener(y, np.ones((7, 1)), [0, 1], 0.1)
    with pytest.raises(InvalidInput, match="sum is 0"):
        inverse(y, np.array([[1.0, -1.0]]), [0, 1], 0.1)
    with pytest.raises(InvalidInput, match="below 0"):
        richardson_lucy(-y, np.ones((1, 1)), [0, 1], 1)
    with pytest.raises(InvalidInput, match="too small"):
        gaussian_width(y)
    with pytest.raises(InvalidInput, match="constant"):
        gaussian_width(np.ones((40, 40)))


def test_it_can_be_stopped() -> None:
    def check() -> None:
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        richardson_lucy(np.ones((4, 4)), np.ones((2, 2)) / 4, [0, 1], 9, check=check)
