"""Draws against the exact distribution, and what they converge to."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Cancelled, InvalidInput
from core.stochastic import Sampler, batches

BOUNDARIES = ["constant", "reflect", "mirror", "nearest", "wrap"]
METHODS: list[Any] = ["positions", "counts"]


def exact_moments(x: Any, kernel: Any, boundary: str, cval: float) -> tuple[Any, Any, Any]:
    """Return mean, variance and fourth central moment of one draw per output, from the raw ones."""
    size = abs(kernel).sum()
    first, second, third, fourth = (
        scipy.ndimage.convolve(
            x**n, np.sign(kernel) ** n * abs(kernel), mode=boundary, cval=cval**n
        )
        * size ** (n - 1)
        for n in range(1, 5)
    )
    central = fourth - 4 * first * third + 6 * first**2 * second - 3 * first**4
    return first, np.maximum(second - first**2, 0), np.maximum(central, 0)


@settings(max_examples=40)
@given(
    st.integers(0, 999), st.integers(1, 2), st.sampled_from(BOUNDARIES), st.sampled_from(METHODS)
)
def test_mean_and_variance_are_those_of_the_draws(
    seed: int, ndim: int, boundary: str, method: Any
) -> None:
    random = np.random.default_rng(seed)
    shape = tuple(random.integers(3, 7, ndim))
    # No tap is so rare that no draw may see it.
    taps = random.integers(1, 4, ndim)
    kernel = random.choice([-1, 1], taps) * random.uniform(0.5, 1.5, taps)
    x = random.normal(size=(*shape, 2))
    sampler = Sampler(x, kernel, boundary, 0.7, seed=seed)
    draws = 400
    (seen,) = sampler.run(draws, (draws,), method)
    for channel in range(2):
        mean, variance, fourth = exact_moments(x[..., channel], kernel, boundary, 0.7)
        np.testing.assert_allclose(sampler.expected[..., channel], mean, atol=1e-9)
        np.testing.assert_allclose(sampler.variance[..., channel], variance, atol=1e-9)
        error = np.sqrt(variance / draws) + 1e-9
        assert (abs(seen.mean[..., channel] - mean) < 6 * error).all()
        # The second term is the square of the mean's error: all there is of two values alike in
        # probability.
        bound = 7 * np.sqrt(np.maximum(fourth - variance**2, 0) / draws) + 36 * variance / draws
        assert (abs(seen.variance[..., channel] - variance) < bound + 1e-9).all()


@settings(max_examples=20)
@given(st.integers(0, 999), st.sampled_from(BOUNDARIES), st.sampled_from(METHODS))
def test_a_kernel_over_words_is_one_of_two_axes(seed: int, boundary: str, method: Any) -> None:
    # Of the places along the features only the one counts at which the kernel covers all of them.
    random = np.random.default_rng(seed)
    words, features = random.integers(1, 6), random.integers(1, 5)
    x = random.normal(size=(random.integers(1, 9), features))
    kernel = random.choice([-1, 1], (words, features)) * random.uniform(0.5, 1.5, (words, features))
    sampler = Sampler(x, kernel, boundary, 0.7, seed=seed)
    (seen,) = sampler.run(400, (400,), method)
    # Features are turned round, because a convolution does that, too.
    moments = exact_moments(x, kernel[:, ::-1], boundary, 0.7)
    mean, variance, _ = (moment[:, (features - 1) // 2, None] for moment in moments)
    np.testing.assert_allclose(sampler.expected, mean, atol=1e-9)
    np.testing.assert_allclose(sampler.variance, variance, atol=1e-9)
    assert seen.mean.shape == seen.variance.shape == (len(x), 1)
    assert (abs(seen.mean - mean) < 6 * np.sqrt(variance / 400) + 1e-9).all()


@pytest.mark.parametrize("method", METHODS)
def test_the_distribution_is_exact(method: Any) -> None:
    # Every output sees the same three values, so the outputs are as many experiments.
    values, kernel = np.array([1.0, 4.0, 10.0]), np.array([0.5, -0.3, 0.2])
    x = np.tile(values, 20_000)[:, None]
    sampler = Sampler(x, kernel, "wrap", seed=3)
    (seen,) = sampler.run(2, (2,), method)
    means = seen.mean[::3, 0]
    outcomes: dict[float, float] = {}
    for draw in itertools.product(range(3), repeat=2):
        # Output 0 sees x[1], x[0], x[-1] below the taps 0, 1, 2.
        seen_there = [np.sign(kernel[j]) * values[[1, 0, 2][j]] for j in draw]
        probability = float(np.prod([abs(kernel[j]) for j in draw]))
        mean = round(float(np.mean(seen_there)), 9)
        outcomes[mean] = outcomes.get(mean, 0) + probability
    counts = [int((abs(means - mean) < 1e-6).sum()) for mean in outcomes]
    assert sum(counts) == len(means)
    expected = np.array(list(outcomes.values())) * len(means)
    assert scipy.stats.chisquare(counts, expected).pvalue > 1e-3


def test_the_error_falls_as_one_by_the_root_of_the_draws() -> None:
    x = np.random.default_rng(0).normal(size=(60, 60, 1))
    sampler = Sampler(x, np.ones((5, 5)) / 25, "reflect", seed=1)
    ends = batches(4096)
    errors = [np.sqrt(np.mean((s.mean - sampler.expected) ** 2)) for s in sampler.run(4096, ends)]
    slope = np.polyfit(np.log(ends), np.log(errors), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.02)
    np.testing.assert_allclose(errors, np.sqrt(sampler.variance.mean() / np.array(ends)), rtol=0.1)


def test_colours_share_their_draws_and_seeds_repeat() -> None:
    grey = np.random.default_rng(0).normal(size=(8, 9, 1))
    x = np.concatenate([grey, 2 * grey], axis=-1)
    one, two, other = (
        next(Sampler(x, np.ones((3, 3)), seed=seed).run(7, (7,))).mean for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()
    np.testing.assert_allclose(one[..., 1], 2 * one[..., 0])


def test_one_place_is_always_found() -> None:
    x = np.random.default_rng(0).normal(size=(5, 6, 1))
    kernel = np.zeros((3, 3))
    kernel[1, 1] = -2.0
    (seen,) = Sampler(x, kernel, "reflect").run(3, (3,))
    np.testing.assert_allclose(seen.mean, -2 * x)
    np.testing.assert_allclose(seen.variance, 0, atol=1e-12)


def test_nothing_to_draw_by_is_refused() -> None:
    with pytest.raises(InvalidInput, match="not zero"):
        Sampler(np.ones((3, 1)), np.zeros(3))


def test_it_can_be_stopped() -> None:
    sampler = Sampler(np.ones((3, 1)), np.ones(3))

    def stop() -> None:
        raise Cancelled("stop")

    sampler._check = stop
    with pytest.raises(Cancelled):
        list(sampler.run(5, (5,)))
