from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.errors import InvalidInput
from core.media import PNG, decode, inspect, preview

MAGENTA = [255, 0, 255]


def drawn(array: np.ndarray, **options: int) -> np.ndarray:
    return decode(preview(array, **options), PNG).array


@given(
    array=st.sampled_from(
        ["bool", "uint8", "int8", "uint16", "int64", "float16", "float32", "float64", "complex64"]
    ).flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=5, max_side=6)))
)
@settings(max_examples=150)
def test_every_numeric_array_has_a_picture_within_the_limit(array: np.ndarray) -> None:
    info = inspect(preview(array, max_side=64))
    assert info.shape is not None
    assert max(info.shape[:2]) <= 64


@pytest.mark.parametrize("shape", [(300, 200), (3000, 17), (5, 9, 1000), (100, 50, 40), (9000,)])
def test_large_arrays_are_shrunk(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).normal(size=shape)
    assert max(drawn(array, max_side=100).shape[:2]) <= 100


def test_bytes_are_shown_as_they_are() -> None:
    for shape in ((6, 7), (6, 7, 3), (6, 7, 4)):
        array = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
        np.testing.assert_array_equal(drawn(array), array)


def test_sixteen_bits_lose_the_lower_eight() -> None:
    array = np.array([[0, 255], [256, 65535]], np.uint16)
    assert drawn(array).tolist() == [[0, 0], [1, 255]]


def test_floats_are_stretched() -> None:
    assert drawn(np.array([[-3.0, 0.0], [1.0, 3.0]])).tolist() == [[0, 128], [170, 255]]
    assert drawn(np.array([[False, True]])).tolist() == [[0, 255]]
    assert drawn(np.full((2, 2), 7.0)).tolist() == [[0, 0], [0, 0]]


def test_nan_is_magenta_and_infinities_are_black_and_white() -> None:
    got = drawn(np.array([[np.nan, -np.inf], [np.inf, 0.0]]))
    assert got.tolist() == [[MAGENTA, [0, 0, 0]], [[255, 255, 255], [0, 0, 0]]]
    colour = np.zeros((5, 5, 3))
    colour[0, 1, 2] = np.nan
    assert drawn(colour)[0, 1].tolist() == MAGENTA


def test_complex_values_are_shown_by_their_log_magnitude() -> None:
    array = np.array([[0, 3j], [-8, np.exp(4.0) - 1]])
    levels = 255 * np.log1p(np.abs(array)) / 4
    np.testing.assert_allclose(drawn(array), levels, atol=0.51)


def test_maps_become_a_mosaic_row_by_row() -> None:
    maps = np.zeros((5, 10, 8))
    maps[3, 2, 1] = 1.0
    got = drawn(maps)
    assert got.shape == (10 + 2 + 10, 3 * 8 + 2 * 2)
    # The fourth map is the first of the second row.
    assert got[12 + 2, 1] == 255
    # Black but for that pixel, the gaps, and the sixth place, which stays free.
    assert (got == 255).sum() == 1 + (22 * 28 - 6 * 80) + 80


def test_a_bank_of_small_kernels_is_a_mosaic_and_no_colour_picture() -> None:
    assert drawn(np.zeros((9, 3, 3))).shape == (13, 13)


def test_at_most_64_maps_are_drawn() -> None:
    maps = np.zeros((100, 4, 4), np.uint8)
    assert drawn(maps).shape == (8 * 4 + 7 * 2,) * 2
    maps[64:] = 200
    assert 200 not in drawn(maps)


def test_colour_maps_become_a_mosaic_of_colour() -> None:
    maps = np.random.default_rng(2).integers(0, 256, (2, 3, 5, 5, 3), np.uint8)
    got = drawn(maps)
    assert got.shape == (12, 19, 3)
    np.testing.assert_array_equal(got[7:12, 14:19], maps[1, 2])


def test_a_waveform_follows_its_signal() -> None:
    ramp = np.linspace(-1.0, 1.0, 500)
    got = drawn(ramp, max_side=200)
    assert got.shape == (128, 200, 3)
    inked = (got != 255).any(axis=-1)
    # Every column has ink, and it climbs from the bottom to the top.
    assert inked.any(axis=0).all()
    rows = inked.argmax(axis=0)
    assert (np.diff(rows) <= 0).all()
    assert rows[0] >= 126
    assert rows[-1] == 0


def test_waveforms_span_the_extremes_of_their_column() -> None:
    signal = np.zeros(10_000)
    signal[5_000] = 1.0
    signal[5_001] = -1.0
    inked = (drawn(signal, max_side=100) != 255).any(axis=-1)
    assert inked[:, 50].all()
    assert inked.sum() == 100 + 99


def test_missing_samples_are_magenta_columns() -> None:
    signal = np.zeros(100)
    signal[40] = np.nan
    got = drawn(signal)
    assert (got[:, 40] == MAGENTA).all()
    assert not (got[:, 41] == MAGENTA).all(axis=-1).any()


def test_stereo_is_two_waveforms_and_a_narrow_picture_is_not() -> None:
    assert drawn(np.zeros((1000, 2))).shape == (256, 1000, 3)
    assert drawn(np.zeros((100, 2))).shape == (100, 2)


@pytest.mark.parametrize(
    "array", [np.zeros((0, 3)), np.array(["a"]), np.array([None]), np.zeros(2, "datetime64[s]")]
)
def test_what_cannot_be_drawn_is_refused(array: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match="nothing to draw"):
        preview(array)


def test_max_side_has_a_lower_bound() -> None:
    with pytest.raises(InvalidInput, match="max_side"):
        preview(np.zeros((2, 2)), max_side=63)
