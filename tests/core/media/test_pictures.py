from __future__ import annotations

import io
import threading
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageOps

from core.errors import InvalidInput, TooLarge, UnsupportedMedia
from core.media import JPEG, PNG, TIFF, WEBP, decode, encode, inspect

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 7), np.uint8)
COLOUR = RNG.integers(0, 256, (5, 7, 3), np.uint8)

# What each lossless format holds: dtype, and channels (0 for a grey picture).
LOSSLESS = [
    *((PNG, "uint8", channels) for channels in (0, 2, 3, 4)),
    (PNG, "uint16", 0),
    *((TIFF, "uint8", channels) for channels in (0, 2, 3, 4)),
    (TIFF, "uint16", 0),
    (TIFF, "int32", 0),
    (TIFF, "float32", 0),
    (WEBP, "uint8", 3),
    (WEBP, "uint8", 4),
]


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return file.getvalue()


@given(data=st.data(), kind=st.sampled_from(LOSSLESS))
@settings(max_examples=80)
def test_lossless_formats_give_back_what_they_got(
    data: st.DataObject, kind: tuple[str, str, int]
) -> None:
    media_type, dtype, channels = kind
    sides = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    shape = (*sides, channels) if channels else sides
    array = data.draw(hnp.arrays(dtype, shape))
    if media_type == WEBP and channels == 4:
        array[0, 0, 3] = 254
    encoded = encode(array, media_type)
    decoded = decode(encoded, media_type)
    np.testing.assert_array_equal(decoded.array, array)
    assert decoded.array.dtype == array.dtype
    assert decoded.array.dtype.isnative
    assert inspect(encoded) == decoded.info
    assert (decoded.info.shape, decoded.info.dtype) == (shape, dtype)
    assert decoded.info.extra == ({"alpha": True} if channels in (2, 4) else {})


def test_an_alpha_of_a_webp_that_hides_nothing_is_gone() -> None:
    array = np.full((2, 3, 4), 255, np.uint8)
    encoded = encode(array, WEBP)
    np.testing.assert_array_equal(decode(encoded, WEBP).array, array[..., :3])
    assert inspect(encoded).shape == (2, 3, 3)


@pytest.mark.parametrize("media_type", [PNG, TIFF, WEBP])
def test_memory_layout_does_not_change_the_bytes(media_type: str) -> None:
    expected = encode(COLOUR, media_type)
    assert encode(np.asfortranarray(COLOUR), media_type) == expected
    assert encode(np.repeat(COLOUR, 2, axis=1)[:, ::2], media_type) == expected


def test_byte_order_does_not_change_the_bytes() -> None:
    array = RNG.integers(0, 1 << 16, (3, 4), np.uint16)
    assert encode(array.astype(">u2"), PNG) == encode(array, PNG)


def test_a_jpeg_stays_close_and_keeps_its_chroma() -> None:
    # Single red and blue pixels, which halved chroma would smear.
    picture = np.zeros((16, 16, 3), np.uint8)
    picture[::2, ::2, 0] = picture[1::2, 1::2, 2] = 255
    decoded = decode(encode(picture, JPEG), JPEG)
    assert decoded.info.shape == picture.shape
    assert np.abs(decoded.array.astype(int) - picture).mean() < 12


@pytest.mark.parametrize(
    ("media_type", "array"),
    [
        (JPEG, np.zeros((2, 2), np.uint16)),
        (JPEG, np.zeros((2, 2, 4), np.uint8)),
        (WEBP, np.zeros((2, 2), np.uint8)),
        (WEBP, np.zeros((1, 16384, 3), np.uint8)),
        (PNG, np.zeros((2, 2, 3), np.uint16)),
        (PNG, np.zeros((2, 2), np.float32)),
        (PNG, np.zeros((2, 2), bool)),
        (PNG, np.zeros((2, 2, 1), np.uint8)),
        (PNG, np.zeros((0, 2), np.uint8)),
        (PNG, np.zeros(4, np.uint8)),
        (TIFF, np.zeros((2, 2), np.float64)),
        (TIFF, np.zeros((3, 2, 2, 3), np.uint8)),
        # 4 GiB on paper, one value in memory.
        (TIFF, np.broadcast_to(np.float32(0), (1 << 15, 1 << 15))),
    ],
)
def test_what_a_format_cannot_hold_is_refused(media_type: str, array: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match="use npy") as caught:
        encode(array, media_type)
    assert caught.value.field == "output"
    assert caught.value.accepted


@pytest.mark.parametrize(
    ("mode", "kind", "target"),
    [
        ("1", "PNG", "L"),
        ("1", "TIFF", "L"),
        ("P", "PNG", "RGB"),
        ("P", "TIFF", "RGB"),
        ("CMYK", "TIFF", "RGB"),
        ("CMYK", "JPEG", "RGB"),
        ("YCbCr", "TIFF", "RGB"),
    ],
)
def test_other_modes_become_grey_or_rgb(mode: str, kind: str, target: str) -> None:
    encoded = saved(Image.fromarray(COLOUR).convert(mode), kind)
    decoded = decode(encoded)
    expected = np.asarray(Image.open(io.BytesIO(encoded)).convert(target))
    np.testing.assert_array_equal(decoded.array, expected)
    assert inspect(encoded).shape == expected.shape


@pytest.mark.parametrize(("mode", "channels"), [("P", 4), ("L", 2), ("RGB", 4)])
def test_a_transparent_colour_becomes_alpha(mode: str, channels: int) -> None:
    image = Image.new(mode, (3, 2))
    value = (0, 0, 0) if mode == "RGB" else 0
    encoded = saved(image, "PNG", transparency=value)
    decoded = decode(encoded)
    assert decoded.array.shape == (2, 3, channels)
    assert decoded.info == inspect(encoded)
    assert decoded.info.extra == {"alpha": True}
    assert not decoded.array[..., -1].any()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("compressed", [False, True])
def test_pictures_are_turned_upright(kind: str, orientation: int, compressed: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, Any] = {"exif": exif}
    if kind == "WEBP":
        options["lossless"] = True
    if kind == "TIFF" and compressed:
        options["compression"] = "tiff_lzw"
    encoded = saved(Image.fromarray(COLOUR), kind, **options)
    decoded = decode(encoded)
    viewer = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded)))
    np.testing.assert_array_equal(decoded.array, np.asarray(viewer))
    assert inspect(encoded) == decoded.info


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "uint32", "int32", "float32"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiffs_of_another_writer(dtype: str, byteorder: str, compression: str | None) -> None:
    array = (RNG.random((6, 5)) * 2**31).astype(dtype)
    file = io.BytesIO()
    tifffile.imwrite(
        file, array, byteorder=byteorder, compression=compression, photometric="minisblack"
    )
    try:
        decoded = decode(file.getvalue())
    except UnsupportedMedia:
        # Pillow knows no big-endian uint32.
        assert (dtype, byteorder) == ("uint32", ">")
        return
    np.testing.assert_array_equal(decoded.array, array)
    assert decoded.array.dtype.isnative
    assert decoded.array.dtype == ("int32" if dtype == "int16" else dtype)
    assert inspect(file.getvalue()) == decoded.info


def test_sixteen_bit_colour_is_refused_not_halved() -> None:
    array = RNG.integers(0, 1 << 16, (4, 4, 3), np.uint16)
    file = io.BytesIO()
    tifffile.imwrite(file, array, photometric="rgb")
    png = (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", b"\0\0\0\4\0\0\0\4\x10\2\0\0\0")
        + png_chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in array)))
        + png_chunk(b"IEND", b"")
    )
    for encoded in (file.getvalue(), png):
        for read in (inspect, decode):
            with pytest.raises(UnsupportedMedia, match="16 bits"):
                read(encoded)


def test_white_as_zero_is_turned_or_refused() -> None:
    file = io.BytesIO()
    tifffile.imwrite(file, GREY, photometric="miniswhite")
    np.testing.assert_array_equal(decode(file.getvalue()).array, 255 - GREY)
    file = io.BytesIO()
    tifffile.imwrite(file, GREY.astype(np.uint16), photometric="miniswhite")
    with pytest.raises(UnsupportedMedia, match="white as 0"):
        decode(file.getvalue())


@pytest.mark.parametrize(
    ("kind", "options"),
    [("TIFF", {}), ("WEBP", {"lossless": True}), ("PNG", {})],
)
def test_several_pictures_in_one_file_are_refused(kind: str, options: dict[str, Any]) -> None:
    first, second = Image.fromarray(COLOUR), Image.fromarray(255 - COLOUR)
    encoded = saved(first, kind, save_all=True, append_images=[second], **options)
    for read in (inspect, decode):
        with pytest.raises(UnsupportedMedia, match="several pictures"):
            read(encoded)


def png_chunk(name: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(name + content).to_bytes(4, "big")
    return len(content).to_bytes(4, "big") + name + content + crc


def huge(media_type: str) -> bytes:
    """A file of some hundred bytes that claims 16000 x 16000 pixels or more."""
    side = 16000
    if media_type == PNG:
        header = side.to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
        return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b"")
    small = encode(np.zeros((16, 16, 3), np.uint8), media_type)
    if media_type == JPEG:
        start = small.index(b"\xff\xc0") + 5
        return small[:start] + side.to_bytes(2, "big") * 2 + small[start + 4 :]
    if media_type == WEBP:
        bits = (side - 1) | (side - 1) << 14
        return small[:21] + bits.to_bytes(4, "little") + small[25:]
    # The tags of width and height: number, type, count; then the value.
    for tag in (256, 257):
        entry = small.index(tag.to_bytes(2, "little") + b"\x04\0\x01\0\0\0")
        small = small[: entry + 8] + side.to_bytes(4, "little") + small[entry + 12 :]
    return small


@pytest.mark.parametrize("media_type", [PNG, JPEG, TIFF, WEBP])
def test_bombs_are_refused_before_they_are_decoded(media_type: str) -> None:
    encoded = huge(media_type)
    # Twice Pillow's own limit, about which nothing may be heard.
    assert inspect(encoded).shape == (16000, 16000, 3)
    for read in (inspect, decode):
        with pytest.raises(TooLarge, match="too many pixels") as caught:
            read(encoded, max_pixels=16000 * 16000 - 1)
        assert "16000 x 16000" in str(caught.value)


@pytest.mark.parametrize("media_type", [PNG, TIFF, WEBP])
def test_our_limit_counts_and_not_pillows(media_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = encode(COLOUR, media_type)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    np.testing.assert_array_equal(decode(encoded, max_pixels=35).array, COLOUR)
    assert Image.MAX_IMAGE_PIXELS == 10


def test_a_tile_larger_than_the_limit_is_refused() -> None:
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((32, 32), np.uint8), tile=(32, 32), compression="zlib")
    encoded = file.getvalue()
    assert decode(encoded, max_pixels=1024).array.shape == (32, 32)
    for tag in (322, 323):
        entry = encoded.index(tag.to_bytes(2, "little") + b"\x04\0\x01\0\0\0")
        encoded = encoded[: entry + 8] + (60000).to_bytes(4, "little") + encoded[entry + 12 :]
    with pytest.raises(TooLarge, match="tile"):
        decode(encoded, max_pixels=1024)


def test_headers_are_read_in_constant_memory() -> None:
    padding = png_chunk(b"juNk", bytes(1 << 20)) * 17
    encoded = encode(GREY, PNG)
    with pytest.raises(UnsupportedMedia, match="headers are too long"):
        inspect(encoded[:33] + padding + encoded[33:])
    # The same after the pixels is never read.
    assert inspect(encoded[:-12] + padding + encoded[-12:]).shape == GREY.shape


def test_a_colour_profile_goes_from_input_to_output() -> None:
    profile = bytes(16) + b"RGB " + bytes(108)
    for kind, media_type in (("PNG", PNG), ("JPEG", JPEG), ("TIFF", TIFF), ("WEBP", WEBP)):
        decoded = decode(saved(Image.fromarray(COLOUR), kind, icc_profile=profile))
        assert decoded.info.extra == {"icc_profile": profile}
        again = decode(encode(decoded.array, media_type, extra=decoded.info.extra))
        assert again.info.extra == {"icc_profile": profile}
    # It says nothing about a grey result.
    assert decode(encode(GREY, PNG, extra={"icc_profile": profile})).info.extra == {}


def test_the_first_picture_of_an_mpo_is_the_one_that_viewers_show() -> None:
    first, second = Image.fromarray(COLOUR), Image.fromarray(255 - COLOUR)
    encoded = saved(first, "MPO", save_all=True, append_images=[second])
    decoded = decode(encoded, JPEG)
    np.testing.assert_array_equal(decoded.array, np.asarray(Image.open(io.BytesIO(encoded))))
    assert inspect(encoded) == decoded.info


def test_files_paths_and_bytes_are_one(tmp_path: Path) -> None:
    encoded = encode(COLOUR, TIFF)
    path = tmp_path / "misnamed.png"
    path.write_bytes(encoded)
    with path.open("rb") as file:
        file.seek(11)
        for source in (encoded, path, file):
            np.testing.assert_array_equal(decode(source).array, COLOUR)
            assert inspect(source).media_type == TIFF
        assert not file.closed


def test_threads_decode_side_by_side() -> None:
    encoded = [encode(np.full((64, 64, 3), value, np.uint8), PNG) for value in range(8)]
    results: list[Any] = [None] * 8

    def work(index: int) -> None:
        results[index] = [decode(encoded[index]).array[0, 0, 0] for _ in range(20)]

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[index] * 20 for index in range(8)]
    assert Image.MAX_IMAGE_PIXELS is not None


def test_the_stated_type_must_be_the_true_one() -> None:
    with pytest.raises(UnsupportedMedia, match="not of the stated"):
        decode(encode(GREY, PNG), JPEG)
    with pytest.raises(UnsupportedMedia, match="no picture, array or sound"):
        decode(b"hello")
    with pytest.raises(InvalidInput, match="not written"):
        encode(GREY, "image/gif")
