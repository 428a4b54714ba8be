"""Peaks, what suppresses what, and shifts to parts of a pixel."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import fourier_shift

from core.errors import InvalidInput
from core.match import Match, best_matches, local_maxima, register


def shared(a: Match, b: Match) -> float:
    common = 1.0
    for s, k, t, m in zip(a.start, a.size, b.start, b.size, strict=True):
        common *= max(0.0, min(s + k, t + m) - max(s, t))
    return common / (np.prod(a.size) + np.prod(b.size) - common)


@given(st.integers(0, 999), st.integers(1, 6), st.floats(0, 1))
def test_no_two_matches_are_one_thing(seed: int, count: int, overlap: float) -> None:
    random = np.random.default_rng(seed)
    candidates = [
        Match(tuple(random.uniform(0, 12, 2)), tuple(random.integers(1, 6, 2)), random.random())
        for _ in range(15)
    ]
    kept = best_matches(candidates, count, overlap)
    assert 1 <= len(kept) <= count
    assert kept[0].score == max(match.score for match in candidates)
    for a, b in itertools.combinations(kept, 2):
        assert a.score >= b.score
        assert shared(a, b) <= overlap + 1e-12
    for left in set(candidates) - set(kept):
        better = [match for match in kept if match.score >= left.score]
        assert len(kept) == count or any(shared(left, match) > overlap for match in better)


def test_no_candidates_are_no_matches() -> None:
    assert best_matches([], 3, 0.5) == []
    assert local_maxima(np.zeros((5, 5)), (2, 2)) == []


@given(st.floats(-0.45, 0.45), st.floats(-0.45, 0.45))
def test_peaks_are_told_between_pixels(dy: float, dx: float) -> None:
    rows, columns = np.mgrid[:11, :12]
    scores = 1 - 0.02 * ((rows - 4 - dy) ** 2 + (columns - 6 - dx) ** 2)
    (found,) = local_maxima(scores, (3, 3), threshold=0.9)[:1]
    np.testing.assert_allclose(found.start, (4 + dy, 6 + dx), atol=1e-9)


def test_what_is_too_low_is_no_peak() -> None:
    scores = np.array([0.0, 0.4, 0.0, 0.6, 0.1])
    assert [match.start[0] for match in local_maxima(scores, (1,), 0.5)] == [
        pytest.approx(3.045, abs=0.01)
    ]


@settings(max_examples=20)
@given(st.floats(-5, 5), st.floats(-5, 5), st.integers(0, 99))
def test_shifts_are_told_to_parts_of_a_pixel(dy: float, dx: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    x = random.normal(size=(64, 72))
    moved = np.fft.ifft2(fourier_shift(np.fft.fft2(x), (dy, dx))).real
    found = register(moved + 0.1 * random.normal(size=x.shape), x)
    np.testing.assert_allclose(found.shift, (dy, dx), atol=0.06)
    assert found.score > 0.2


def test_recordings_are_registered_too() -> None:
    x = np.random.default_rng(0).normal(size=3000)
    assert register(np.roll(x, 40), x).shift[0] == pytest.approx(40, abs=0.05)


@pytest.mark.parametrize("other", [np.zeros((8, 9)), np.zeros((8, 8))])
def test_what_cannot_be_registered_is_refused(other: np.ndarray) -> None:
    with pytest.raises(InvalidInput):
        register(np.random.default_rng(0).normal(size=(8, 8)), other)
