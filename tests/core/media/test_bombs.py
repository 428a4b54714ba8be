"""Small files that ask for much: refused before anything is decoded, soon and in little memory."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from PIL import Image

from core.errors import TooLarge, UnsupportedMedia
from core.media import decode, inspect
from core.media.jpeg import MAX_SCANS

GREY = np.zeros((200, 200), np.uint8)


def saved(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(GREY).save(file, kind, **options)
    return file.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + checksum


def with_chunks(*chunks: bytes) -> bytes:
    png = saved("PNG")
    return png[:33] + b"".join(chunks) + png[33:]


@contextmanager
def frugal(seconds: float = 20.0, memory: int = 100 << 20) -> Iterator[None]:
    start = time.perf_counter()
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < memory
    finally:
        tracemalloc.stop()
    assert time.perf_counter() - start < seconds


def refuse(content: bytes, error: type[Exception], match: str) -> None:
    for read in (inspect, decode):
        with frugal(), pytest.raises(error, match=match):
            read(content)


def test_a_jpeg_of_endless_refinement() -> None:
    jpeg = saved("JPEG", progressive=True)
    scan = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    assert decode(jpeg[:-2] + 20 * scan + jpeg[-2:]).array.shape == (200, 200)
    # Thirty bytes for a pass over all pixels.
    assert len(scan) < 60
    refuse(jpeg[:-2] + MAX_SCANS * scan + jpeg[-2:], TooLarge, "scans")
    # With the marker across the pieces in which the file is read.
    filler = bytes((1 << 20) - len(jpeg) + 1)
    refuse(jpeg[:-2] + filler + MAX_SCANS * scan + jpeg[-2:], TooLarge, "scans")


@pytest.mark.parametrize("side", [1 << 20, (1 << 31) - 1])
def test_a_picture_of_a_trillion_pixels(side: int) -> None:
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))
    refuse(png, TooLarge, "too many pixels")


def test_a_tiff_tile_of_a_trillion_pixels() -> None:
    tiff = bytearray(saved("TIFF", compression="tiff_deflate", tile=(16, 16)))
    tags = {322: 1 << 24, 323: 1 << 24}
    offset = struct.unpack_from("<I", tiff, 4)[0]
    (count,) = struct.unpack_from("<H", tiff, offset)
    entries = [bytearray(tiff[offset + 2 + 12 * i : offset + 14 + 12 * i]) for i in range(count)]
    made = [struct.pack("<HHII", tag, 4, 1, side) for tag, side in tags.items()]
    kept = [bytes(e) for e in entries if struct.unpack_from("<H", e)[0] not in tags]
    every = sorted([*kept, *made], key=lambda entry: struct.unpack_from("<H", entry)[0])
    at = len(tiff)
    tiff += struct.pack("<H", len(every)) + b"".join(every) + bytes(4)
    struct.pack_into("<I", tiff, 4, at)
    refuse(bytes(tiff), TooLarge, "tile")


@pytest.mark.parametrize("name", [b"zTXt", b"iTXt", b"iCCP"])
def test_texts_that_expand(name: bytes) -> None:
    packed = zlib.compress(bytes(200 << 20), 9)
    head = {b"zTXt": b"k\0\0", b"iTXt": b"k\0\1\0\0\0", b"iCCP": b"k\0\0"}[name]
    content = with_chunks(chunk(name, head + packed))
    assert len(content) < 1 << 20
    for read in (inspect, decode):
        with frugal(), suppress(UnsupportedMedia):
            read(content)


def test_thousands_of_texts() -> None:
    packed = zlib.compress(bytes(1_000_000), 9)
    content = with_chunks(*(chunk(b"zTXt", b"k%d\0\0" % i + packed) for i in range(2000)))
    assert len(content) < 3 << 20
    refuse(content, UnsupportedMedia, "cannot be read")


def test_frames_and_pages() -> None:
    others = [Image.fromarray(GREY + i) for i in range(1, 60)]
    for kind in ("PNG", "TIFF", "WEBP"):
        moving = saved(kind, save_all=True, append_images=others)
        refuse(moving, UnsupportedMedia, "several pictures")


def test_a_million_pages_are_not_counted() -> None:
    tiff = bytearray(saved("TIFF"))
    offset = struct.unpack_from("<I", tiff, 4)[0]
    (count,) = struct.unpack_from("<H", tiff, offset)
    page = bytes(tiff[offset : offset + 2 + 12 * count])
    at, size = len(tiff), len(page) + 4
    struct.pack_into("<I", tiff, offset + 2 + 12 * count, at)
    pages = b"".join(page + struct.pack("<I", at + (i + 1) * size) for i in range(20_000))
    refuse(bytes(tiff) + pages, UnsupportedMedia, "several pictures")


def test_a_page_that_follows_itself() -> None:
    tiff = bytearray(saved("TIFF"))
    offset = struct.unpack_from("<I", tiff, 4)[0]
    (count,) = struct.unpack_from("<H", tiff, offset)
    struct.pack_into("<I", tiff, offset + 2 + 12 * count, offset)
    with frugal(), suppress(UnsupportedMedia):
        decode(bytes(tiff))


def test_an_npz_that_expands() -> None:
    npy = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        npy, {"descr": "|u1", "fortran_order": False, "shape": (1 << 30,)}
    )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", npy.getvalue() + bytes(1 << 20))
    refuse(file.getvalue(), TooLarge, "too many values")


def test_a_header_of_brackets() -> None:
    for text in ("(" * 9000, "-" * 9000 + "1", "{" * 9000):
        header = text.encode().ljust(9999) + b"\n"
        content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
        refuse(content, UnsupportedMedia, "cannot be read")
