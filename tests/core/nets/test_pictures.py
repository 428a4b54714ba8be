from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.media import PNG, decode, inspect
from core.nets import pictures


def drawn(png: bytes) -> np.ndarray:
    return decode(png, PNG).array


def test_a_filter_is_centred_on_grey_and_scaled_by_its_largest_magnitude() -> None:
    weight = np.zeros((1, 1, 2, 3))
    weight[0, 0, 0, 0], weight[0, 0, 1, 2] = 2.0, -1.0
    picture = drawn(pictures.filters(weight))
    assert picture.shape == (32, 48)
    np.testing.assert_array_equal(picture[8::16, 8::16], [[255, 128, 128], [128, 128, 64]])


def test_three_channels_are_a_colour() -> None:
    weight = np.zeros((1, 3, 1, 1))
    weight[0, 1] = 1.0
    np.testing.assert_array_equal(drawn(pictures.filters(weight))[0, 0], [128, 255, 128])


@settings(max_examples=40)
@given(
    filters=st.integers(1, 70),
    channels=st.integers(1, 4),
    kernel=st.lists(st.integers(1, 60), min_size=1, max_size=3),
)
def test_kernels_of_every_shape_have_a_picture(
    filters: int, channels: int, kernel: list[int]
) -> None:
    shape = (filters, channels, *kernel)
    weight = np.linspace(-1, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)
    found = inspect(pictures.filters(weight)).shape
    assert found is not None
    assert max(found[:2]) <= 1024
    assert (len(found) == 3) == (channels == 3 and len(kernel) < 3)


@settings(max_examples=40)
@given(shape=st.lists(st.integers(1, 60), min_size=1, max_size=4))
def test_outputs_of_every_layer_have_a_picture(shape: list[int]) -> None:
    maps = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    found = inspect(pictures.feature_maps(maps)).shape
    assert found is not None
    assert len(found) == 2
    assert max(found) <= 1024


def test_each_feature_map_spans_from_black_to_white() -> None:
    maps = np.stack([np.linspace(0, 1, 64), np.linspace(-900, 100, 64)]).reshape(2, 8, 8)
    picture = drawn(pictures.feature_maps(maps))
    first, second = picture[:48, :48], picture[:48, 50:]
    np.testing.assert_array_equal(first, second)
    assert (first.min(), first.max()) == (0, 255)


def test_a_vector_is_no_convolution() -> None:
    with pytest.raises(InvalidInput, match="no kernels") as caught:
        pictures.filters(np.zeros((3, 4)))
    assert caught.value.field == "weight"


def test_confusions_lie_in_the_row_of_the_truth_and_are_darker_the_more_there_are() -> None:
    picture = drawn(pictures.confusion(np.array([[8, 0], [6, 2]]), ("", "")))
    side, cell, head = len(picture), 28, 16
    assert picture.shape == (side, side, 3)
    corners = picture[head + 1 :: cell, head + 1 :: cell][:2, :2, 0].astype(int)
    assert corners[0, 0] < corners[1, 0] < corners[1, 1] < corners[0, 1] == 255


@pytest.mark.parametrize("count", [1, 41, 600])
def test_any_number_of_classes_has_a_picture(count: int) -> None:
    names = [f"class {index} with a long name" for index in range(count)]
    found = inspect(pictures.confusion(np.eye(count, dtype=np.int64), names)).shape
    assert found is not None
    assert max(found[:2]) < 2048
