"""The largest magnitude, found by a generated kernel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from core.conv.codegen.peak import peak


@settings(max_examples=60)
@given(
    size=st.one_of(st.integers(1, 300), st.integers(200_000, 600_000)),
    dtype=st.sampled_from(["float32", "float64"]),
    special=st.sampled_from([0.0, 5.0, -1e30, np.inf, -np.inf, np.nan]),
    seed=st.integers(0, 99),
)
def test_one_value_anywhere(size, dtype, special, seed) -> None:
    random = np.random.default_rng(seed)
    x = random.uniform(-1, 1, size).astype(dtype)
    x[random.integers(size)] = special
    np.testing.assert_array_equal(peak(x), float(abs(x).max()))


def test_nan_is_above_infinity() -> None:
    x = np.zeros(1000, np.float32)
    x[[3, 997]] = np.inf, np.nan
    assert np.isnan(peak(x))
