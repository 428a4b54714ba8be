"""Diffusion against its analytic solutions and against a very fine integration."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from core.diffusion import heat_kernel, perona_malik, propagate, steps_for
from core.diffusion.heat import MAX_TIME
from core.errors import Cancelled, InvalidInput

TIMES = st.floats(0.001, 300)


@given(TIMES)
def test_the_kernel_is_a_distribution_of_variance_2t(time: float) -> None:
    kernel = heat_kernel(time)
    places = np.arange(len(kernel)) - len(kernel) // 2
    np.testing.assert_allclose(kernel.sum(), 1)
    np.testing.assert_allclose((kernel * places**2).sum(), 2 * time, rtol=1e-6)
    assert (kernel >= 0).all()
    np.testing.assert_array_equal(kernel, kernel[::-1])


@given(st.integers(2, 9), st.floats(0.01, 30), st.integers(0, 99), st.booleans())
def test_heat_is_the_exponential_of_the_laplacian(
    n: int, time: float, seed: int, ring: bool
) -> None:
    laplacian = -2 * np.eye(n) + np.eye(n, k=1) + np.eye(n, k=-1)
    if ring:
        laplacian[0, -1] += 1
        laplacian[-1, 0] += 1
    else:
        laplacian[0, 0] = laplacian[-1, -1] = -1
    u = np.random.default_rng(seed).normal(size=(n, 3))
    y = propagate(u, time, [0], "wrap" if ring else "reflect")
    np.testing.assert_allclose(y, scipy.linalg.expm(time * laplacian) @ u, atol=1e-9)
    np.testing.assert_allclose(y.sum(axis=0), u.sum(axis=0), atol=1e-9)


@pytest.mark.parametrize("time", [2.0, 150.0, 5000.0])
def test_waves_decay_as_they_should_in_two_axes(time: float) -> None:
    rows, columns = np.arange(40) + 0.5, np.arange(30) + 0.5
    wave = np.outer(np.cos(3 * np.pi * rows / 40), np.cos(2 * np.pi * columns / 30))
    rate = 4 - 2 * np.cos(3 * np.pi / 40) - 2 * np.cos(2 * np.pi / 30)
    y = propagate(wave, time, [0, 1])
    np.testing.assert_allclose(y, wave * np.exp(-rate * time), atol=1e-11)


def test_a_gaussian_widens_as_on_the_line() -> None:
    x = np.arange(400.0) - 200
    sigma, time = 12.0, 180.0
    u = np.exp(-(x**2) / 2 / sigma**2)
    variance = sigma**2 + 2 * time
    expected = np.exp(-(x**2) / 2 / variance) * sigma / np.sqrt(variance)
    np.testing.assert_allclose(propagate(u, time, [0], "zero"), expected, atol=2e-4)


def test_times_add_up() -> None:
    u = np.random.default_rng(0).normal(size=(20, 21))
    twice = propagate(propagate(u, 3, [0, 1]), 4, [0, 1])
    np.testing.assert_allclose(propagate(u, 7, [0, 1]), twice, atol=1e-12)


def by_fluxes(u: np.ndarray, time: float, edge: float, rational: bool) -> np.ndarray:
    """Integrate with loops, a flux at a time."""
    steps = steps_for(time, 2)
    for _ in range(steps):
        new = u.copy()
        for i in range(u.shape[0]):
            for j in range(u.shape[1]):
                for k, m in ((i + 1, j), (i, j + 1)):
                    if k < u.shape[0] and m < u.shape[1]:
                        d = u[k, m] - u[i, j]
                        s = (d / edge) ** 2
                        flux = d * (1 / (1 + s) if rational else np.exp(-s)) * time / steps
                        new[i, j] += flux
                        new[k, m] -= flux
        u = new
    return u


@settings(max_examples=20)
@given(st.integers(0, 99), st.floats(0.1, 3), st.floats(0.1, 3), st.booleans())
def test_perona_malik_is_its_fluxes(seed: int, time: float, edge: float, rational: bool) -> None:
    u = np.random.default_rng(seed).normal(size=(4, 5))
    y = perona_malik(u, time, edge, [0, 1], "rational" if rational else "exponential")
    np.testing.assert_allclose(y, by_fluxes(u, time, edge, rational), atol=1e-12)
    np.testing.assert_allclose(y.sum(), u.sum())
    assert u.min() - 1e-12 <= y.min() <= y.max() <= u.max() + 1e-12


def test_without_edges_perona_malik_is_heat() -> None:
    rows, columns = np.mgrid[:32, :32]
    u = np.cos(np.pi * (rows + 0.5) / 16) * np.cos(np.pi * (columns + 0.5) / 32)
    y = perona_malik(u, 20, 1e6, [0, 1])
    np.testing.assert_allclose(y, propagate(u, 20, [0, 1]), atol=0.01)


def test_an_edge_in_one_colour_stops_all() -> None:
    u = np.zeros((8, 8, 2))
    u[:, 4:, 0], u[:, 4:, 1] = 100, 1
    y = perona_malik(u, 5, 10, [0, 1])
    np.testing.assert_allclose(y, u, atol=1e-3)
    assert abs(perona_malik(u[..., 1], 5, 10, [0, 1]) - u[..., 1]).max() > 0.3


def test_smoothing_keeps_noise_from_being_an_edge() -> None:
    noise = np.random.default_rng(0).normal(size=(40, 40))
    rough, smooth = (perona_malik(noise, 5, 0.5, [0, 1], smooth=s) for s in (0.0, 1.5))
    assert smooth.std() < rough.std() / 2


@pytest.mark.parametrize("time", [-1.0, MAX_TIME * 2, float("nan")])
def test_no_other_times(time: float) -> None:
    with pytest.raises(InvalidInput, match="pixels squared"):
        heat_kernel(time)


@pytest.mark.parametrize("fields", [{"edge": 0.0}, {"edge": 1.0, "conductivity": "linear"}])
def test_what_makes_no_sense_is_refused(fields: Any) -> None:
    with pytest.raises(InvalidInput):
        perona_malik(np.zeros((3, 3)), 1, axes=[0, 1], **fields)


def test_it_can_be_stopped() -> None:
    def check() -> None:
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        perona_malik(np.zeros((3, 3)), 1, 1, [0, 1], check=check)
