"""Draws by the kernel's probabilities on a device: CuPy's numbers, the same distribution."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats

from core.arrays import is_on_gpu, to_numpy
from core.errors import InvalidInput
from core.stochastic import Sampled, Sampler, batches, sampling

VALUES, KERNEL = np.array([1.0, 4.0, 10.0]), np.array([0.5, -0.3, 0.2])
# Output 0 sees x[1], x[0], x[-1] below the taps 0, 1, 2.
SEEN = np.sign(KERNEL) * VALUES[[1, 0, 2]]


def drawn(cupy: Any, draws: int, method: Any) -> np.ndarray:
    """Return the means of some draws, for outputs that all see the same three values."""
    x = cupy.asarray(np.tile(VALUES, 20_000)[:, None])
    sampler = Sampler(x, cupy.asarray(KERNEL), "wrap", seed=3)
    (seen,) = sampler.run(draws, (draws,), method)
    assert is_on_gpu(seen.mean)
    return to_numpy(seen.mean)[::3, 0]


@pytest.mark.parametrize(("draws", "method"), [(2, "positions"), (2, "counts"), (5, "counts")])
def test_the_distribution_is_that_of_all_outcomes(cupy: Any, draws: int, method: Any) -> None:
    means = drawn(cupy, draws, method)
    outcomes: dict[float, float] = {}
    for often in np.ndindex((draws + 1,) * 3):
        if sum(often) == draws:
            mean = round(float(np.dot(often, SEEN)) / draws, 9)
            chance = float(scipy.stats.multinomial.pmf(often, draws, abs(KERNEL)))
            outcomes[mean] = outcomes.get(mean, 0) + chance
    counts = [int((abs(means - mean) < 1e-6).sum()) for mean in outcomes]
    assert sum(counts) == len(means)
    expected = np.array(list(outcomes.values())) * len(means)
    assert scipy.stats.chisquare(counts, expected).pvalue > 1e-3


@pytest.mark.parametrize("boundary", ["zero", "constant", "reflect", "mirror", "nearest", "wrap"])
@pytest.mark.parametrize("is_across", [False, True])
def test_what_is_expected_is_the_same(
    cupy: Any, boundary: Any, is_across: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A few outputs at a time, as of a large input.
    monkeypatch.setattr(sampling, "BLOCK_ON_GPU", 50)
    random = np.random.default_rng(0)
    x, kernel = random.normal(size=(6, 7, 2)), random.normal(size=(3, 2, 2))
    if not is_across:
        kernel = kernel[..., 0]
    expected = Sampler(x, kernel, boundary, 0.7)
    found = Sampler(cupy.asarray(x), cupy.asarray(kernel), boundary, 0.7, seed=1)
    np.testing.assert_allclose(to_numpy(found.expected), expected.expected, atol=1e-12)
    np.testing.assert_allclose(to_numpy(found.variance), expected.variance, atol=1e-12)
    last: Sampled = list(found.run(1000, batches(1000)))[-1]
    error = np.sqrt(expected.variance / 1000) + 1e-9
    assert last.mean.shape == expected.expected.shape
    assert (abs(to_numpy(last.mean) - expected.expected) < 6 * error).all()
    ratio = to_numpy(last.variance).mean() / expected.variance.mean()
    assert ratio == pytest.approx(1, abs=0.1)


def test_seeds_repeat(cupy: Any) -> None:
    x, kernel = cupy.asarray(VALUES[:, None]), cupy.asarray(KERNEL)
    one, two, other = (
        to_numpy(next(Sampler(x, kernel, "wrap", seed=seed).run(99, (99,))).mean)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()


def test_a_kernel_elsewhere_is_refused(cupy: Any) -> None:
    with pytest.raises(InvalidInput, match="different devices") as caught:
        Sampler(cupy.asarray(VALUES[:, None]), KERNEL)
    assert caught.value.field == "kernel"
