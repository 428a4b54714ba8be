"""Batch norm's kernels against the definition in double precision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from core.conv.codegen.batch_norm import differentiating, normalizing

# Fewer than a vector, whole vectors, several at a time, and what is left over.
WIDTHS = st.lists(st.sampled_from([1, 3, 8, 16, 63, 64, 100, 257]), min_size=1, max_size=4)


def pieces(random: np.random.Generator, channels: int, widths: list[int], mean: float, dtype: str):
    return [(random.standard_normal((channels, n)) + mean).astype(dtype) for n in widths]


def guarded(like: list[np.ndarray]) -> list[np.ndarray]:
    return [np.full_like(x, np.nan) for x in like]


@settings(max_examples=60)
@given(
    widths=WIDTHS.filter(lambda widths: sum(widths) > 1),
    channels=st.integers(1, 4),
    mean=st.sampled_from([0.0, 50.0]),
    dtype=st.sampled_from(["float32", "float64"]),
    data=st.data(),
)
def test_both_directions_are_those_of_the_definition(widths, channels, mean, dtype, data) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 1000)))
    first = data.draw(st.integers(0, channels - 1))
    part = slice(first, data.draw(st.integers(first + 1, channels)))
    xs, dys = (pieces(random, channels, widths, m, dtype) for m in (mean, 0.0))
    weight, bias = random.uniform(0.5, 2, channels).astype(dtype), np.arange(channels, dtype=dtype)
    found = [np.full(channels, np.nan, dtype) for _ in range(4)]
    means, variances, along, total = found
    ys, dxs = guarded(xs), guarded(xs)
    normalizing(xs, ys, weight, bias, 1e-3, means, variances)(part)

    x, dy = (np.concatenate(a, axis=1).astype(float) for a in (xs, dys))
    centred = x - x.mean(axis=1, keepdims=True)
    scale = 1 / np.sqrt(x.var(axis=1) + 1e-3)
    normal = centred * scale[:, None]
    known = (1e-3, means, variances, weight, bias)
    differentiating(xs, dys, dxs, *known, along, total)(part)
    slopes = dy - dy.mean(axis=1, keepdims=True)
    slopes -= normal * (dy * normal).mean(axis=1, keepdims=True)
    expected = [
        (np.concatenate(ys, axis=1), weight[:, None] * normal + bias[:, None], 1e-4),
        (np.concatenate(dxs, axis=1), (weight * scale)[:, None] * slopes, 1e-4),
        (means, x.mean(axis=1), 1e-5),
        (variances, x.var(axis=1), 1e-5),
        (along, (dy * normal).sum(axis=1), 1e-3),
        (total, dy.sum(axis=1), 1e-3),
    ]
    others = [c for c in range(channels) if not part.start <= c < part.stop]
    for value, right, tolerance in expected:
        assert value.dtype == dtype
        assert np.isnan(value[others]).all()
        # Rounding of what comes in counts as it is enlarged by the scale.
        atol = tolerance * (1 + mean) if dtype == "float32" else 1e-9
        atol *= max(1.0, float(scale.max()))
        np.testing.assert_allclose(value[part], right[part], rtol=0, atol=atol)


def test_a_mean_far_from_zero_does_not_spoil_the_variance() -> None:
    x = np.random.default_rng(0).standard_normal((1, 200_000)).astype(np.float32) + 1000
    mean, variance = np.empty(1, np.float32), np.empty(1, np.float32)
    one, zero = np.ones(1, np.float32), np.zeros(1, np.float32)
    normalizing([x], [np.empty_like(x)], one, zero, 1e-5, mean, variance)(slice(0, 1))
    exact = x.astype(float)
    assert mean[0] == pytest.approx(exact.mean(), rel=1e-7)
    assert variance[0] == pytest.approx(exact.var(), rel=1e-5)


def test_gradients_of_inputs_are_not_written_unless_wanted() -> None:
    x, dy, one = np.ones((1, 40)), np.ones((1, 40)), np.ones(1)
    kept, along, total = x.copy(), np.empty(1), np.empty(1)
    known = (0.0, np.zeros(1), one, one, np.zeros(1))
    differentiating([x], [dy], None, *known, along, total)(slice(0, 1))
    np.testing.assert_array_equal(x, kept)
    np.testing.assert_array_equal(dy, kept)
    assert (along[0], total[0]) == (40, 40)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_reaches_its_channel_and_no_other(bad) -> None:
    x = np.random.default_rng(0).standard_normal((2, 50))
    x[0, 33] = bad
    y, mean, variance = np.empty_like(x), np.empty(2), np.empty(2)
    normalizing([x], [y], np.ones(2), np.zeros(2), 1e-5, mean, variance)(slice(0, 2))
    assert np.isnan(y[0]).all()
    assert np.isfinite(y[1]).all()
