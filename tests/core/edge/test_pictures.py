from __future__ import annotations

import io
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.edge.runtime.errors import EdgeError
from core.edge.runtime.pictures import read_image


@settings(max_examples=60)
@given(
    st.integers(1, 12),
    st.integers(1, 12),
    st.sampled_from(["L", "RGB"]),
    st.sampled_from(["PNG", "PPM", "BMP"]),
    st.integers(0, 1000),
    st.booleans(),
)
def test_pictures_as_pillow_reads_them(
    height: int,
    width: int,
    mode: Literal["L", "RGB"],
    kind: str,
    seed: int,
    smooth: bool,
) -> None:
    channels = len(mode) if mode == "RGB" else 1
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (height, width, channels))
    if smooth:
        # Pillow chooses other filters for rows then.
        pixels = pixels // 16 + 7 * np.arange(width)[:, None] + 3 * np.arange(height)[:, None, None]
    pixels = (pixels % 256).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels if mode == "RGB" else pixels[..., 0]).save(file, kind)
    found = read_image(file.getvalue(), (channels, height, width))
    assert (found == np.moveaxis(pixels, -1, 0)).all()


def test_comments_in_a_header() -> None:
    data = b"P5 # made by hand\n2\t1 # columns, rows\n255\n" + bytes([1, 2])
    assert read_image(data, (1, 1, 2)).tolist() == [[[1, 2]]]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"P5",
        b"P5 2 2 255\nabc",
        b"P5 2 2 65535\nabcdefgh",
        b"\x89PNG\r\n\x1a\n",
        b"\x93NUMPY\x01\x00",
        b"GIF89a",
        b"nothing at all",
    ],
)
def test_what_is_no_picture(data: bytes) -> None:
    with pytest.raises(EdgeError, match="input"):
        read_image(data, (1, 2, 2))


@settings(max_examples=60)
@given(st.data())
def test_damaged_pngs(data: st.DataObject) -> None:
    file = io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(file, "PNG")
    content = bytearray(file.getvalue())
    at = data.draw(st.integers(8, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(EdgeError):
        read_image(bytes(content[: data.draw(st.sampled_from([at, len(content)]))]), (1, 8, 8))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite(value: float) -> None:
    file = io.BytesIO()
    np.save(file, np.full((2, 2), value))
    with pytest.raises(EdgeError, match="finite"):
        read_image(file.getvalue(), (1, 2, 2))


def test_objects_are_not_unpickled() -> None:
    file = io.BytesIO()
    np.save(file, np.array([[{}]], object), allow_pickle=True)
    with pytest.raises(EdgeError):
        read_image(file.getvalue(), (1, 1, 1))


def test_another_shape() -> None:
    with pytest.raises(EdgeError, match="shape"):
        read_image(b"P5 1 1 255\nx", (1, 2, 2))
