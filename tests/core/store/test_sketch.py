from __future__ import annotations

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from core.store.sketch import ERROR, bucket, quantiles, upper

# Milliseconds up to a year.
times = st.floats(0, 3e10)


@given(times)
def test_a_time_lies_in_its_bucket(milliseconds: float) -> None:
    index = bucket(milliseconds)
    assert milliseconds / 1000 <= upper(index) * (1 + 1e-12)
    assert index == 0 or milliseconds / 1000 > upper(index - 1) * (1 - 1e-12)


@given(st.lists(times, min_size=1), st.lists(st.floats(0, 1), min_size=1, max_size=5).map(sorted))
def test_quantiles_are_near_those_of_the_times(some: list[float], shares: list[float]) -> None:
    ordered = sorted(some)
    found = quantiles(Counter(map(bucket, some)), shares)
    for share, quantile in zip(shares, found, strict=True):
        exact = max(1.0, ordered[max(1, math.ceil(share * len(some))) - 1]) / 1000
        assert quantile is not None
        assert abs(quantile - exact) <= exact * ERROR * (1 + 1e-9)
