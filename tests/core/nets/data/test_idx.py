from __future__ import annotations

import gzip
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.errors import InvalidInput, TooLarge, UnsupportedMedia
from core.nets.data import Limits, Room, inspect, load

X = np.arange(4 * 3 * 5, dtype=np.uint8).reshape(4, 3, 5)
Y = np.array([0, 1, 1, 0], np.uint8)


@given(
    data=st.data(),
    dtype=st.sampled_from(["u1", "i1", "i2", "i4", "f4", "f8"]),
    gzipped=st.booleans(),
    archived=st.booleans(),
    memory=st.sampled_from([0, 1 << 20]),
)
@settings(max_examples=100)
def test_what_is_written_is_read(
    make: Any, data: Any, dtype: str, gzipped: bool, archived: bool, memory: int
) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=6))
    elements = st.floats(-9, 9, width=32) if dtype[0] == "f" else None
    x = data.draw(hnp.arrays(np.dtype(dtype), shape, elements=elements))
    y = np.arange(len(x), dtype=np.uint8)
    content = make.idx(x, gzipped)
    if archived:
        content = make.pack({"images": content, "labels": make.idx(y, not gzipped)})
    found = load(content, room=Room(memory))
    assert found.info == inspect(content)
    assert found.info.task == ("classification" if archived else "reconstruction")
    indices = np.arange(len(x))[::-1]
    got, labels = found.batch(indices)
    assert got.dtype == x.dtype
    np.testing.assert_array_equal(got.reshape(x.shape), x[indices])
    if archived:
        np.testing.assert_array_equal(labels, indices)


def test_names_as_mnist_has_them(make: Any) -> None:
    content = make.pack(
        {
            "mnist/train-images-idx3-ubyte.gz": make.idx(X, True),
            "mnist/train-labels-idx1-ubyte.gz": make.idx(Y, True),
        }
    )
    found = load(content)
    assert (found.info.format, found.shape, found.info.counts) == ("idx", (1, 3, 5), (2, 2))


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize("archived", [False, True])
def test_truncated_and_longer(make: Any, gzipped: bool, archived: bool) -> None:
    whole = make.idx(X)
    for content in (whole[:-1], whole[:6], whole + b"\0"):
        if gzipped:
            content = gzip.compress(content)
        if archived:
            content = make.pack({"images": content})
        with pytest.raises(UnsupportedMedia, match=r"truncated|damaged"):
            load(content)
    if gzipped:
        content = make.idx(X, True)[:-9]
        with pytest.raises(UnsupportedMedia):
            load(make.pack({"images": content}) if archived else content)


def test_labels_that_do_not_fit(make: Any) -> None:
    with pytest.raises(InvalidInput, match=r"3 labels.*4 images"):
        load(make.pack({"x": make.idx(X), "y": make.idx(Y[:3])}))


def test_more_than_a_pair_is_refused_by_name(make: Any) -> None:
    for members in (
        {"a": make.idx(X), "b": make.idx(X)},
        {"a": make.idx(X), "b": make.idx(Y), "c": make.idx(Y)},
        {"b": make.idx(Y)},
    ):
        with pytest.raises(InvalidInput, match="one file of images and one of labels"):
            load(make.pack(members))


def test_a_bomb_is_refused_by_what_its_header_says(make: Any) -> None:
    content = make.idx(np.zeros((100, 100, 100), np.uint8), True)
    for read in (inspect, load):
        with pytest.raises(TooLarge, match="expands to too much"):
            read(content, limits=Limits(harmless=1 << 16))
        with pytest.raises(TooLarge, match="expands to too much"):
            read(make.pack({"a": content}), limits=Limits(harmless=1 << 16))


def test_not_finite(make: Any) -> None:
    x = np.zeros((3, 2, 2), np.float32)
    x[2, 0, 1] = np.nan
    with pytest.raises(InvalidInput, match="number 2 holds nan"):
        load(make.idx(x))


def test_too_many_labels_are_refused_before_they_are_read(make: Any) -> None:
    x, y = np.zeros((50, 4, 4), np.uint8), (np.arange(50) % 2).astype(np.uint8)
    content = make.pack({"images": make.idx(x), "labels": make.idx(y)})
    for read in (inspect, load):
        with pytest.raises(TooLarge, match=r"data\.y: too many labels.*at most 49"):
            read(content, limits=Limits(answers=49))
