"""Integers are exact or refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.conv import ALGORITHMS, convolve, convolve_bank, correlate, plan
from core.conv.integers import accumulator
from core.errors import AlgorithmRefused, IntegerOverflow

NAMES = [
    algorithm.name
    for algorithm in ALGORITHMS
    if algorithm.name not in ("cudnn", "reference", "winograd")
]
DTYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")


def exact(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Full 1-D convolution in Python's integers."""
    out = [0] * (len(x) + len(w) - 1)
    for i, a in enumerate(x.tolist()):
        for j, b in enumerate(w.tolist()):
            out[i + j] += a * b
    return np.array(out, object)


@pytest.mark.parametrize("name", ["direct", "fft-tiled", "fft-whole", "auto"])
@settings(max_examples=80)
@given(x_dtype=st.sampled_from(DTYPES), w_dtype=st.sampled_from(DTYPES), data=st.data())
def test_exact_or_overflow(name, x_dtype, w_dtype, data) -> None:
    def draw(dtype: str, most: int) -> np.ndarray:
        info = np.iinfo(dtype)
        # Magnitudes from small to the dtype's limits, so that every accumulator is used.
        bits = data.draw(st.integers(1, info.bits))
        low, high = max(info.min, -(2**bits)), min(info.max, 2**bits)
        return np.array(
            data.draw(st.lists(st.integers(low, high), min_size=1, max_size=most)), dtype
        )

    x, w = draw(x_dtype, 12), draw(w_dtype, 5)
    dtype = np.result_type(x, w)
    if dtype.kind not in "iu":
        assert convolve(x, w, method=name).dtype == dtype
        return
    expected = exact(x, w)
    info = np.iinfo(dtype)
    fits = info.min <= min(expected) and max(expected) <= info.max
    try:
        result = convolve(x, w, method=name)
    except IntegerOverflow:
        assert not fits
    except AlgorithmRefused:
        assert name.startswith("fft")
    else:
        assert fits
        assert result.dtype == dtype
        assert result.tolist() == expected.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_large_pictures_of_bytes_are_exact(name: str) -> None:
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (150, 170), np.uint8).astype(np.int32)
    w = np.outer(*random.integers(-9, 10, (2, 21))).astype(np.int32)
    expected = convolve(x.astype(np.int64), w.astype(np.int64), method="direct")
    np.testing.assert_array_equal(convolve(x, w, method=name), expected)


def test_whole_numbers_that_single_precision_cannot_tell_apart() -> None:
    x = np.array([2**24, 1, 2**24 + 1])
    for name in ("direct", "fft-tiled", "auto"):
        assert convolve(x, np.array([1]), method=name).tolist() == x.tolist()


def test_overflow_names_the_range_and_a_way_out() -> None:
    x = np.full(9, 200, np.uint8)
    with pytest.raises(IntegerOverflow, match="200 to 600, uint8 holds 0 to 255") as caught:
        convolve(x, np.ones(3, np.uint8))
    assert caught.value.field == "dtype"
    assert "int64" in caught.value.accepted
    huge = np.full(3, 2**62)
    with pytest.raises(IntegerOverflow) as caught:
        convolve(huge, huge)
    assert "int64 exactly" not in caught.value.accepted
    assert convolve(x.astype(np.int32), np.ones(3, np.uint8)).max() == 600


def test_negative_results_of_signed_types() -> None:
    x = np.array([-128, 127], np.int8)
    with pytest.raises(IntegerOverflow, match="-127 to 128, int8"):
        convolve(x, np.array([-1], np.int8))
    assert correlate(x, np.array([1], np.int8)).tolist() == [-128, 127]


def test_the_fft_is_refused_where_rounding_could_be_wrong() -> None:
    x = np.full((50, 50), 2**40)
    with pytest.raises(AlgorithmRefused, match="rounded wrongly"):
        convolve(x, np.ones((3, 3), np.int64), method="fft-whole")
    assert plan(x, np.ones((31, 31), np.int64)).chosen in ("direct", "separable")


def test_a_plan_from_shapes_expects_the_worst_and_values_tell_more() -> None:
    assert plan((50, 50), (5, 5), dtype="int64").problem.normal.dtype == "object"
    x, w = np.ones((50, 50), np.int64), np.ones((5, 5), np.int64)
    planned = plan(x, w)
    assert planned.problem.normal.dtype == "float32"
    # Values beyond those that were planned are still exact, or refused.
    large = x * 2**50
    assert (planned.run(large, w)[10:20, 10:20] == 25 * 2**50).all()


def test_the_outside_counts() -> None:
    with pytest.raises(IntegerOverflow, match="400 to 400"):
        convolve(np.zeros(3, np.uint8), np.ones(5, np.uint8), "same", "constant", cval=200)


def test_a_bank_is_bounded_by_its_largest_kernel() -> None:
    bank = np.array([[1, 0], [2**40, 2**40]])
    result = convolve_bank(np.array([2**20, 1]), bank)
    assert result.tolist() == [[2**20, 1, 0], [2**60, 2**60 + 2**40, 2**40]]


@pytest.mark.parametrize("bits", [1, 24, 25, 53, 54, 63, 64, 130])
def test_accumulators_hold_what_they_must(bits: int) -> None:
    largest = 2**bits - 1
    assert int(np.array([largest], object).astype(accumulator(bits))[0]) == largest
