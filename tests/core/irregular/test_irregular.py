"""Convolution of uneven points against adaptive quadrature, and by transforms against exactly."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import fixed_quad

from core import conv
from core.errors import Cancelled, InvalidInput
from core.irregular import Sampled, error_bound, exact, nonuniform, sums
from core.irregular.nonuniform import _corners, _energy

SEEDS = st.integers(0, 1 << 16)


def made(random: np.random.Generator, points: int, functions: int = 1) -> Sampled:
    t = np.cumsum(random.exponential(size=points) + 0.2) - random.uniform(0, 9)
    return Sampled(t, random.normal(size=(points, functions)))


def value(f: Sampled, t: np.ndarray) -> np.ndarray:
    return np.interp(t, f.t, f.y[:, 0], left=0, right=0)


@given(SEEDS, st.integers(2, 6), st.integers(2, 6))
@settings(max_examples=20)
def test_integrals_are_exact(seed: int, n: int, m: int) -> None:
    random = np.random.default_rng(seed)
    f, g = made(random, n), made(random, m)
    places = [*random.uniform(f.t[0] + g.t[0] - 1, f.t[-1] + g.t[-1] + 1, 4), f.t[0] + g.t[0]]
    found = exact(f, g, np.array(places))
    for place, one in zip(places, found[:, 0], strict=True):
        knots = np.unique(np.concatenate([f.t, place - g.t]))
        pieces = [
            fixed_quad(lambda s: value(f, s) * value(g, place - s), a, b, n=3)[0]  # noqa: B023
            for a, b in itertools.pairwise(knots)
        ]
        assert abs(one - sum(pieces)) < 1e-9


def test_even_points_are_the_convolution_of_their_hats() -> None:
    random = np.random.default_rng(0)
    f, g = random.normal(size=12), random.normal(size=7)
    # 0 at the ends, so that both are sums of hats; the convolution of two hats is a cubic spline.
    f[[0, -1]] = g[[0, -1]] = 0
    hats = np.array([1, 4, 1]) / 6
    expected = conv.convolve(conv.convolve(f, g), hats, "same")
    at = np.arange(18.0)
    found = exact(Sampled(np.arange(12.0), f[:, None]), Sampled(np.arange(7.0), g[:, None]), at)
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-12)


@given(SEEDS, st.integers(2, 20), st.integers(2, 20), st.sampled_from([1e-2, 1e-4]))
@settings(max_examples=8)
def test_transforms_stay_within_their_tolerance(
    seed: int, n: int, m: int, tolerance: float
) -> None:
    random = np.random.default_rng(seed)
    f, g = made(random, n, 3), made(random, m)
    at = np.concatenate([sums(f, g)[:200], [f.t[0] + g.t[0] - 1, f.t[-1] + g.t[-1] + 1]])
    expected = exact(f, g, at)
    found, waves = nonuniform(f, g, at, tolerance)
    largest = np.minimum(f.size() * np.abs(g.y).max(), np.abs(f.y).max(axis=0) * g.size())
    assert (np.abs(found - expected) <= tolerance * largest).all()
    assert waves % 2 == 1


@given(SEEDS, st.integers(2, 40), st.integers(1, 60), st.floats(1.0, 3.0))
@settings(max_examples=30)
def test_the_energy_of_corners_is_bounded(seed: int, n: int, waves: int, longer: float) -> None:
    # In clusters, so that many corners lie within the reach of one.
    random = np.random.default_rng(seed)
    t = np.cumsum(10 ** random.uniform(-3, 0, n))
    f = Sampled(t, random.normal(size=(n, 1)))
    period = f.span * longer
    angles = 2 * np.pi * np.outer(np.arange(1, waves + 1), t - t[0]) / period
    energy = np.square(np.abs(np.exp(-1j * angles) @ _corners(f)[:, 0])).sum()
    bound = _energy(f, period, waves)[0]
    assert energy <= bound * (1 + 1e-9)
    assert _energy(f, period, 2 * waves)[0] <= 2 * bound * (1 + 1e-9)


@given(SEEDS, st.integers(3, 60))
@settings(max_examples=30)
def test_a_bound_holds_for_functions_with_that_curvature(seed: int, n: int) -> None:
    random = np.random.default_rng(seed)
    t = np.sort(np.concatenate([[0, 1], random.random(n)]))
    s = np.linspace(0, 1, 20_001)
    kernel = Sampled(np.array([0.0, 0.4, 1.0]), np.array([[1.0], [0.2], [0.7]]))
    # sin(5 t) with second derivative up to 25, convolved with three points exactly.
    f = Sampled(t, np.sin(5 * t)[:, None])
    fine = Sampled(s, np.sin(5 * s)[:, None])
    at = random.uniform(0, 2, 3)
    off = np.abs(exact(f, kernel, at) - exact(fine, kernel, at)).max()
    assert off <= error_bound(f, kernel, (25, 0))[0] + 1e-7


def test_estimates_fall_with_the_square_of_the_steps() -> None:
    g = Sampled(np.array([0.0, 1.0]), np.ones((2, 1)))
    bounds = []
    for n in (50, 100):
        t = np.linspace(0, 3, n) ** 1.2
        bounds.append(error_bound(Sampled(t, np.sin(t)[:, None]), g)[0])
    assert 3.5 < bounds[0] / bounds[1] < 4.5


def test_the_integral_is_the_product_of_the_integrals() -> None:
    random = np.random.default_rng(1)
    f, g = made(random, 9, 2), made(random, 6)
    at = sums(f, g)
    # Cubics between the sums: Simpson's rule is exact.
    middles = (at[1:] + at[:-1]) / 2
    ends, inner = exact(f, g, at), exact(f, g, middles)
    whole = (np.diff(at)[:, None] * (ends[1:] + 4 * inner + ends[:-1]) / 6).sum(axis=0)
    np.testing.assert_allclose(whole, f.integral() * g.integral(), atol=1e-10)


def test_tables_that_are_none_are_refused() -> None:
    for table in (np.zeros((1, 2)), np.zeros((3, 1)), np.zeros(4), np.zeros((3, 2), complex)):
        with pytest.raises(InvalidInput, match="no table"):
            Sampled.of(table, "inputs")
    with pytest.raises(InvalidInput, match="finite"):
        Sampled.of(np.array([[0, 1], [1, np.nan]]), "inputs")
    with pytest.raises(InvalidInput, match="more than once"):
        Sampled.of(np.array([[2, 1], [1, 3], [2, 1]]), "inputs")


def test_roughness_beyond_all_waves_is_refused() -> None:
    t = np.array([0.0, 1e-9, 2e-9, 1.0])
    f = Sampled(t, np.array([[1.0], [-1.0], [1.0], [1.0]]))
    with pytest.raises(InvalidInput, match="rough"):
        nonuniform(f, f, t, 1e-9)


def test_constants_are_transformed_too() -> None:
    f = Sampled(np.arange(4.0), np.full((4, 1), 2.0))
    at = np.linspace(-1, 7, 50)
    found, _ = nonuniform(f, f, at, 1e-5)
    np.testing.assert_allclose(found, exact(f, f, at), atol=1e-5 * 12)


def test_waves_take_no_more_memory_than_they_may() -> None:
    f = Sampled(np.arange(4.0), np.ones((4, 3)))
    at = np.arange(3.0)
    _, waves = nonuniform(f, f, at, 1e-4)
    needed = 256 * 3 * (waves // 2)
    tracemalloc.start()
    try:
        nonuniform(f, f, at, 1e-4, memory_cap=needed)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert needed / 10 < peak < needed
    with pytest.raises(InvalidInput, match=rf"more than {waves // 2 - 1} waves"):
        nonuniform(f, f, at, 1e-4, memory_cap=needed - 1)


def test_it_can_be_stopped() -> None:
    def check() -> None:
        raise Cancelled("stop")

    f = Sampled(np.arange(3.0), np.ones((3, 1)))
    with pytest.raises(Cancelled):
        exact(f, f, np.arange(3.0), check=check)
    with pytest.raises(Cancelled):
        nonuniform(f, f, np.arange(3.0), 0.01, check=check)
