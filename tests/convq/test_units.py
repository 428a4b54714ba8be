from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convq.units import duration, size

SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
BYTES = {"B": 1} | {f"{prefix}B": 1000**n for n, prefix in enumerate("kMGTPE", 1)}


def read(shown: str, units: dict[str, float]) -> float:
    words = shown.split()
    return sum(
        float(number) * units[unit] for number, unit in zip(words[::2], words[1::2], strict=True)
    )


@given(st.floats(1e-9, 1e18))
def test_durations_are_short_and_right(seconds: float) -> None:
    shown = duration(seconds)
    assert len(shown) <= len("99 h 59 min")
    assert math.isclose(read(shown, SECONDS), seconds, rel_tol=0.06)


@given(st.integers(1, 10**30))
def test_sizes_are_short_and_right(count: int) -> None:
    shown = size(count)
    assert len(shown) <= len("1.2e+12 EB")
    assert math.isclose(read(shown, BYTES), count, rel_tol=0.06)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.00099951, "1 ms"),
        (0.9996, "1.00 s"),
        (59.996, "1 min 0 s"),
        (3599.6, "1 h 0 min"),
        (359_995, "100 h"),
    ],
)
def test_no_unit_overflows(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
