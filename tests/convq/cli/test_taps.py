from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from convq.cli.taps import taps


@settings(max_examples=60)
@given(
    hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=1, max_dims=3, max_side=60),
        elements=st.floats(-100, 100),
        fill=st.nothing(),
    ).filter(lambda a: a.size < 4000)
)
def test_every_kernel_fits(array: np.ndarray[Any, Any]) -> None:
    assert max(map(len, taps(array, 80).splitlines())) <= 80


def test_shades_tell_sign_and_size() -> None:
    array = np.zeros((2, 30))
    array[0, :5] = 1, 0.5, 0.01, -0.01, -1
    first, second = taps(array, 80).splitlines()
    assert first.rstrip() == "██▒▒··-·-█"
    assert second.strip() == ""


@pytest.mark.parametrize("depth", [1, 3])
def test_layers_are_apart(depth: int) -> None:
    assert len(taps(np.ones((depth, 2, 30)), 80).split("\n\n")) == depth


def test_small_taps_are_not_rounded_to_zero() -> None:
    assert "1.e-05" in taps(np.full(3, 1e-5), 80)
