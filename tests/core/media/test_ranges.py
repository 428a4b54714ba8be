from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.errors import InvalidInput
from core.media import (
    PNG,
    RANGE_POLICIES,
    MediaInfo,
    decode,
    encode,
    merge_alpha,
    split_alpha,
    to_range,
)

INTEGER_TARGETS = ["uint8", "uint16", "int16", "int32"]
TARGETS = [*INTEGER_TARGETS, "float32", "float64"]
SOURCES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "int64", "uint64"]
ARRAYS = st.sampled_from([*SOURCES, "float16", "float32", "float64"]).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(max_dims=2, max_side=5, min_side=0))
)


def reference(array: np.ndarray, target: str, policy: str) -> list[Fraction | float]:
    """The table of ``to_range`` in exact fractions, without rounding and cutting."""
    values = [value.item() for value in array.ravel()]
    finite = [Fraction(value) for value in values if math.isfinite(value)]
    is_float = target.startswith("float")
    low, high = (0, 1) if is_float else (np.iinfo(target).min, np.iinfo(target).max)
    middle = (int(high) + 1) // 2 if target.startswith("u") else 0
    least, greatest = min(finite, default=Fraction(0)), max(finite, default=Fraction(0))
    largest = max(abs(least), abs(greatest))
    bottom = low if policy == "rescale" else 2 * middle - int(high)
    result: list[Fraction | float] = []
    for value in values:
        if math.isnan(value):
            lowest = low if policy == "rescale" else middle
            result.append(math.nan if is_float else Fraction(int(lowest)))
        elif math.isinf(value):
            result.append(Fraction(int(high if value > 0 else bottom)))
        elif policy == "rescale" and greatest == least:
            result.append(Fraction(0))
        elif policy == "rescale":
            part = (Fraction(value) - least) / (greatest - least)
            result.append(int(low) + part * (int(high) - int(low)))
        else:
            result.append(middle + Fraction(value) / (largest or 1) * (int(high) - middle))
    return result


@given(array=ARRAYS, target=st.sampled_from(TARGETS), policy=st.sampled_from(["rescale", "signed"]))
@settings(max_examples=250)
def test_scaling_follows_the_table(array: np.ndarray, target: str, policy: Any) -> None:
    before = array.copy()
    got = to_range(array, target, policy)
    assert got.dtype == target
    assert got.shape == array.shape
    np.testing.assert_array_equal(array, before)
    # Half a step of rounding, and what single precision loses of 16 bits.
    tolerance = 1e-6 if target.startswith("float") else 0.52
    for value, expected in zip(got.ravel().tolist(), reference(array, target, policy), strict=True):
        if math.isnan(expected):
            assert math.isnan(value)
        else:
            assert abs(Fraction(value) - expected) <= tolerance


@given(array=ARRAYS, target=st.sampled_from(INTEGER_TARGETS))
@settings(max_examples=250)
def test_clip_rounds_half_to_even_and_cuts(array: np.ndarray, target: str) -> None:
    limits = np.iinfo(target)
    got = to_range(array, target, "clip")
    assert got.dtype == target
    for result, value in zip(got.ravel().tolist(), array.ravel().tolist(), strict=True):
        if math.isnan(value):
            assert result == 0
        elif math.isinf(value):
            assert result == (limits.max if value > 0 else limits.min)
        else:
            assert result == min(max(round(Fraction(value)), limits.min), limits.max)


def test_clip_to_floats_keeps_values() -> None:
    array = np.array([-1.5, np.nan, np.inf, 1e300])
    np.testing.assert_array_equal(
        to_range(array, "float32", "clip"), np.array([-1.5, np.nan, np.inf, np.inf], np.float32)
    )
    np.testing.assert_array_equal(to_range(array, "float64", "clip"), array)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("policy", ["rescale", "signed"])
def test_the_widest_range_does_not_overflow(dtype: str, policy: Any) -> None:
    most = np.finfo(dtype).max
    got = to_range(np.array([-most, 0, most], dtype), "uint8", policy)
    assert got.tolist() == ([0, 128, 255] if policy == "rescale" else [1, 128, 255])


@pytest.mark.parametrize(
    ("array", "dtype", "policy", "field"),
    [
        (np.zeros(2, complex), "uint8", "clip", "output"),
        (np.zeros(2), "uint64", "clip", "output"),
        (np.zeros(2), "uint8", "stretch", "range"),
    ],
)
def test_what_cannot_be_converted_is_refused(
    array: np.ndarray, dtype: str, policy: Any, field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        to_range(array, dtype, policy)
    assert caught.value.field == field


def test_the_policies() -> None:
    assert RANGE_POLICIES == ("clip", "rescale", "signed")


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_goes_around_the_filter(channels: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (4, 5, channels), np.uint8)
    decoded = decode(encode(picture, PNG))
    colours, alpha = split_alpha(decoded.array, decoded.info)
    assert colours.shape == ((4, 5) if channels == 2 else (4, 5, 3))
    assert alpha is not None
    merged = merge_alpha(255 - colours, alpha)
    np.testing.assert_array_equal(merged[..., -1], picture[..., -1])
    np.testing.assert_array_equal(merged[..., :-1], 255 - picture[..., :-1])


def test_without_alpha_nothing_is_split() -> None:
    array = np.zeros((2, 2, 4))
    colours, alpha = split_alpha(array, MediaInfo("application/x-npy", array.shape, "float64"))
    assert colours is array
    assert alpha is None
    assert merge_alpha(colours, None) is array


@pytest.mark.parametrize(
    "colours", [np.zeros((3, 2, 3), np.uint8), np.zeros((2, 2, 3), np.float32)]
)
def test_alpha_must_fit(colours: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match="alpha"):
        merge_alpha(colours, np.zeros((2, 2), np.uint8))


@pytest.mark.parametrize("policy", ["clip", "rescale", "signed"])
@pytest.mark.parametrize(("dtype", "bits"), [("f4", 0x7F800001), ("f8", 0x7FF0000000000001)])
def test_a_nan_that_signals_is_a_nan(policy: Any, dtype: str, bits: int) -> None:
    # As any four or eight bytes of a file may be one; warnings are errors here.
    array = np.array([1.0, 2.0, 4.0], dtype)
    array.view(f"u{array.itemsize}")[1] = bits
    converted = to_range(array, "uint8", policy)
    expected = to_range(np.array([1.0, np.nan, 4.0], dtype), "uint8", policy)
    np.testing.assert_array_equal(converted, expected)
