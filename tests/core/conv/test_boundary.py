"""Lazily extended inputs: every part is the part of the extended array."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.conv import convolve
from core.conv.boundary import BOUNDARIES, Extended, extend

PAD = dict(zip(BOUNDARIES[1:], ["constant", "symmetric", "reflect", "edge", "wrap"], strict=True))


@settings(max_examples=150)
@given(
    boundary=st.sampled_from(BOUNDARIES[1:]),
    axes=st.lists(
        st.tuples(st.integers(1, 5), st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=2
    ),
    data=st.data(),
)
def test_parts_are_those_of_the_padded_array(boundary, axes, data) -> None:
    lengths = tuple(n for n, _, _ in axes)
    widths = tuple((before, after) for _, before, after in axes)
    base = np.random.default_rng(0).standard_normal((2, *lengths))
    options = {"constant_values": 7.0} if boundary == "constant" else {}
    expected = np.pad(base, ((0, 0), *widths), PAD[boundary], **options)
    extended = Extended(base, widths, boundary, 7.0)
    assert extended.shape == expected.shape
    np.testing.assert_array_equal(np.asarray(extended), expected)
    part = []
    for n in expected.shape[1:]:
        first = data.draw(st.integers(0, n - 1))
        part.append(slice(first, data.draw(st.integers(first + 1, n))))
    np.testing.assert_array_equal(
        np.asarray(extended[(slice(1, 2), *part)]), expected[(slice(1, 2), *part)]
    )
    np.testing.assert_array_equal(np.asarray(extended[(..., *part)]), expected[(..., *part)])
    np.testing.assert_array_equal(np.asarray(extended[1:]), expected[1:])


def test_nothing_to_add_is_the_input_itself() -> None:
    x = np.zeros(3)
    assert extend(x, ((0, 0),), "wrap", 0) is x


@pytest.mark.parametrize("boundary", BOUNDARIES[1:])
@pytest.mark.parametrize("name", ["direct", "separable"])
def test_large_pictures_are_not_copied(boundary, name) -> None:
    x = np.random.default_rng(0).standard_normal((300, 400))
    w = np.outer([1.0, 2, 3, 4, 5], [1.0, 0, -1])
    expected = convolve(x, w, "same", boundary, "fft-whole", 3.0)
    result = convolve(x, w, "same", boundary, name, 3.0)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-10)
