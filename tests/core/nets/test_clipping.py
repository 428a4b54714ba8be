"""Clipping against the norm of one long vector."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.nets.clipping import clip, norm


@settings(max_examples=30)
@given(
    sizes=st.lists(st.integers(0, 40_000), min_size=1, max_size=3),
    longest=st.floats(0.01, 1000),
    seed=st.integers(0, 100),
)
def test_gradients_are_shortened_to_the_bound_and_keep_their_direction(
    sizes, longest, seed
) -> None:
    random = np.random.default_rng(seed)
    gradients = {str(i): random.standard_normal(size) for i, size in enumerate(sizes)}
    before = np.concatenate(list(gradients.values()))
    found = clip(gradients, longest)
    after = np.concatenate(list(gradients.values()))
    assert found == pytest.approx(np.linalg.norm(before), rel=1e-12)
    if found <= longest:
        np.testing.assert_array_equal(after, before)
    else:
        np.testing.assert_allclose(after, before * (longest / found), rtol=1e-12)


def test_squares_of_large_float32_do_not_overflow() -> None:
    gradients = {"a": np.full((2, 2), 1e30, np.float32).T}
    assert norm(gradients) == pytest.approx(2e30)
    clip(gradients, 1.0)
    np.testing.assert_allclose(gradients["a"], 0.5)
    assert gradients["a"].dtype == np.float32


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_length_that_is_not_finite_changes_nothing(bad) -> None:
    gradients = {"a": np.array([1.0, bad]), "b": np.array([2.0])}
    assert not np.isfinite(clip(gradients, 1.0))
    np.testing.assert_array_equal(gradients["a"], [1.0, bad])
    np.testing.assert_array_equal(gradients["b"], [2.0])
