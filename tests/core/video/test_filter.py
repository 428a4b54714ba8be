"""Videos window by window against all frames at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import conv
from core.conv.boundary import BOUNDARIES
from core.errors import Cancelled
from core.video import filtered, frames_at_once, index_in_time


class Film:
    """Frames of an array, which count how often each is read."""

    def __init__(self, x: np.ndarray) -> None:
        self.x = x
        self.shape = x.shape
        self.seen: list[int] = []

    def read(self, index: int) -> np.ndarray:
        self.seen.append(index)
        return self.x[index]


@given(
    st.integers(1, 9),
    st.integers(1, 5),
    st.integers(1, 4),
    st.sampled_from(BOUNDARIES),
    st.booleans(),
    st.integers(0, 99),
)
@settings(max_examples=60)
def test_windows_give_what_the_whole_gives(
    count: int, length: int, at_once: int, boundary: Any, coloured: bool, seed: int
) -> None:
    random = np.random.default_rng(seed)
    x = random.normal(size=(count, 5, 6, 3) if coloured else (count, 5, 6))
    kernel = random.normal(size=(length, 3, 2))
    # The engine's own boundary in time, of all frames at once.
    expected = conv.convolve(x, kernel, "same", boundary, cval=0.7, axes=(0, 1, 2))
    film = Film(x)
    found = list(filtered(film, kernel, boundary, 0.7, at_once=at_once))
    np.testing.assert_allclose(np.stack(found), expected, atol=1e-12)


@pytest.mark.parametrize("boundary", ["reflect", "mirror", "nearest", "wrap"])
def test_time_goes_on_as_numpy_pads(boundary: Any) -> None:
    mode: Any = {"reflect": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap"}
    for count in (1, 2, 5):
        expected = np.pad(np.arange(count), 7, mode=mode[boundary])
        found = [index_in_time(index, count, boundary) for index in range(-7, count + 7)]
        assert found == expected.tolist()


def test_frames_inside_are_read_once() -> None:
    film = Film(np.zeros((40, 3, 3)))
    list(filtered(film, np.ones((5, 1, 1)), "zero", at_once=4))
    assert film.seen == list(range(40))


def test_few_frames_are_in_memory() -> None:
    assert frames_at_once((9, 10, 10), 3, 8, 1 << 30) == 9
    assert frames_at_once((10_000, 2000, 2000), 3, 4, 1 << 28) == 2
    assert frames_at_once((10_000, 20_000, 20_000), 3, 4, 1 << 28) == 1


def test_it_can_be_stopped() -> None:
    def check() -> None:
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        list(filtered(Film(np.zeros((3, 3, 3))), np.ones((2, 2, 2)), check=check))
