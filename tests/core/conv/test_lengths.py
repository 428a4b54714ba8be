"""Lengths of fast transforms, against SciPy's."""

from __future__ import annotations

import scipy.fft
from hypothesis import given
from hypothesis import strategies as st

from core.conv.lengths import fast_length


@given(st.integers(1, 20_000) | st.integers(1, 1 << 40), st.booleans())
def test_they_are_those_of_scipy(n: int, real: bool) -> None:
    assert fast_length(n, real=real) == scipy.fft.next_fast_len(n, real)
