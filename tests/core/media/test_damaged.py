"""Whatever the bytes are, only convq's own errors come out, soon, and within the limits."""

from __future__ import annotations

import io
import tracemalloc
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.errors import TooLarge, UnsupportedMedia
from core.media import (
    DECODABLE,
    JPEG,
    NPY,
    NPZ,
    PICTURES,
    PNG,
    TIFF,
    WAV,
    WEBP,
    decode,
    encode,
    inspect,
)

MAX_PIXELS = 10_000
RNG = np.random.default_rng(0)


def _samples() -> list[bytes]:
    colour = RNG.integers(0, 256, (12, 15, 3), np.uint8)
    samples = [
        encode(colour, media_type, extra={"icc_profile": bytes(16) + b"RGB " + bytes(50)})
        for media_type in PICTURES
    ]
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "maker"
    for kind in ("PNG", "JPEG", "TIFF", "WEBP"):
        file = io.BytesIO()
        Image.fromarray(colour[..., 0]).convert("P").convert("RGB").save(file, kind, exif=exif)
        samples.append(file.getvalue())
    for array, options in (
        (colour[..., 0].astype(np.uint16), {"compression": "zlib", "byteorder": ">"}),
        (np.zeros((32, 32), np.float32), {"tile": (16, 16), "compression": "zlib"}),
        (colour, {"compression": "zlib", "photometric": "rgb", "bigtiff": True}),
    ):
        file = io.BytesIO()
        tifffile.imwrite(file, array, **options)
        samples.append(file.getvalue())
    file = io.BytesIO()
    np.savez_compressed(file, np.arange(200.0))
    samples.append(file.getvalue())
    for array in (np.arange(60, dtype=np.int16).reshape(30, 2), np.zeros(40, np.float32)):
        samples += [encode(array, name, extra={"sample_rate": 8000}) for name in (WAV, NPY, NPZ)]
    return samples


SAMPLES = _samples()


def survives(content: bytes) -> None:
    try:
        info = inspect(content, max_pixels=MAX_PIXELS)
    except (UnsupportedMedia, TooLarge):
        info = None
    try:
        decoded = decode(content, max_pixels=MAX_PIXELS)
    except (UnsupportedMedia, TooLarge):
        return
    # What can be decoded can be inspected, and both say the same.
    assert info is not None
    assert info.shape == decoded.array.shape == decoded.info.shape
    assert info.dtype == decoded.array.dtype.name == decoded.info.dtype
    assert info.media_type == decoded.info.media_type
    assert decoded.array.size <= max(MAX_PIXELS * 4, len(content))


# Milliseconds. A busy machine may let an example wait for seconds, and what was late once and is
# not when it is tried again is a failure, too.
SLOW = 30_000


@given(
    sample=st.sampled_from(SAMPLES),
    edits=st.lists(
        st.tuples(st.floats(0, 1), st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255)),
        min_size=1,
        max_size=4,
    ),
    headers=st.booleans(),
)
@settings(max_examples=1200, deadline=SLOW)
def test_changed_bytes(sample: bytes, edits: list[tuple[float, int]], headers: bool) -> None:
    content = bytearray(sample)
    # Half of the time only the first bytes, where the structure is.
    span = min(len(content), 160) if headers else len(content)
    for place, value in edits:
        content[int(place * (span - 1))] = value
    survives(bytes(content))


@given(
    sample=st.sampled_from(SAMPLES),
    ends=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    filler=st.binary(max_size=8),
)
@settings(max_examples=300, deadline=SLOW)
def test_missing_and_inserted_bytes(
    sample: bytes, ends: tuple[float, float], filler: bytes
) -> None:
    start, stop = sorted(int(place * len(sample)) for place in ends)
    survives(sample[:start] + filler + sample[stop:])


@given(sample=st.sampled_from(SAMPLES), length=st.floats(0, 1))
@settings(max_examples=300, deadline=SLOW)
def test_cut_files(sample: bytes, length: float) -> None:
    survives(sample[: int(length * len(sample))])


@given(head=st.sampled_from(SAMPLES), tail=st.binary(max_size=300), keep=st.integers(4, 64))
@settings(max_examples=300, deadline=SLOW)
def test_random_bytes_behind_a_true_beginning(head: bytes, tail: bytes, keep: int) -> None:
    survives(head[:keep] + tail)


@pytest.mark.parametrize("media_type", DECODABLE)
def test_a_file_cut_in_half_is_refused_with_its_name(media_type: str) -> None:
    colour = RNG.integers(0, 256, (40, 40, 3), np.uint8)
    array = colour if media_type in PICTURES else colour.ravel()
    encoded = encode(array, media_type, extra={"sample_rate": 1})
    with pytest.raises(UnsupportedMedia):
        decode(encoded[: len(encoded) // 2])


@pytest.mark.parametrize("media_type", [PNG, JPEG, TIFF, WEBP])
def test_an_empty_shell_is_refused(media_type: str) -> None:
    encoded = encode(np.zeros((4, 4, 3), np.uint8), media_type)
    for read in (inspect, decode):
        with pytest.raises(UnsupportedMedia, match=r"cannot be read|damaged|truncated|no pixel"):
            read(encoded[:12])


def peak(work: Any) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_inspecting_needs_no_memory_for_the_content() -> None:
    large = RNG.integers(0, 256, (1500, 1500, 3), np.uint8)
    for media_type in (PNG, TIFF, WAV, NPZ, NPY):
        array = large.reshape(-1) if media_type == WAV else large
        encoded = io.BytesIO(encode(array, media_type, extra={"sample_rate": 1}))
        inspect(encoded)  # Imports and caches are not what is measured.
        assert peak(lambda file=encoded: inspect(file)) < 200_000, media_type
