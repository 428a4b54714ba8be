"""Whatever the bytes are, only convq's own errors come out."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput, TooLarge, UnsupportedMedia
from core.nets.data import FORMATS, Limits, Room, inspect, load

LIMITS = Limits(expanded=1 << 20, harmless=1 << 20, pixels=10_000)
RNG = np.random.default_rng(7)


@pytest.fixture(scope="module")
def samples(make: Any) -> list[bytes]:
    x = RNG.integers(0, 256, (6, 5, 4), np.uint8)
    y = np.arange(6, dtype=np.uint8) % 2
    pictures = {f"{'ab'[i % 2]}/{i}.png": make.picture(image[None]) for i, image in enumerate(x)}
    sounds = {f"{name}/1.wav": make.wav(np.arange(9, dtype=np.int16)) for name in "ab"}
    index = make.table(["file", "label"], [(name, name[0]) for name in pictures])
    return [
        make.npz(x=x, y=y, classes=np.array(["a", "b"])),
        make.npz(compressed=True, x=x.astype(np.float32), y=y / 2),
        make.idx(x),
        make.idx(x, True),
        make.pack({"images": make.idx(x, True), "labels": make.idx(y)}),
        make.pack(pictures),
        make.pack(pictures | {"index.csv": index}, 0),
        make.pack(sounds),
        make.table(["text", "label"], [("good, really", 1), ("bad", 0)]),
    ]


def survives(content: bytes) -> None:
    for read in (
        lambda: inspect(content, limits=LIMITS),
        lambda: load(content, limits=LIMITS),
        lambda: load(content, limits=LIMITS, room=Room(memory=0)).batch([0]),
    ):
        with suppress(InvalidInput, TooLarge):
            read()


def test_the_samples_are_good(samples: list[bytes]) -> None:
    found = {load(content, limits=LIMITS).info.format for content in samples}
    assert found == {format_.name for format_ in FORMATS}


@given(
    which=st.integers(0, 8),
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4),
    end=st.booleans(),
)
@settings(max_examples=400)
def test_changed_bytes(
    samples: list[bytes], which: int, edits: list[tuple[float, int]], end: bool
) -> None:
    content = bytearray(samples[which])
    # Half of the time only at the end, where archives have their directories.
    start = max(0, len(content) - 200) if end else 0
    for place, value in edits:
        content[start + int(place * (len(content) - start - 1))] = value
    survives(bytes(content))


@given(which=st.integers(0, 8), length=st.floats(0, 1), tail=st.binary(max_size=9))
@settings(max_examples=200)
def test_cut_files(samples: list[bytes], which: int, length: float, tail: bytes) -> None:
    survives(samples[which][: int(length * len(samples[which]))] + tail)


@given(content=st.binary(max_size=200))
@settings(max_examples=100)
def test_random_bytes(content: bytes) -> None:
    survives(content)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"PK\x05\x06" + bytes(18), b"{}"])
def test_other_files_are_refused_with_all_that_is_read(content: bytes) -> None:
    for read in (inspect, load):
        with pytest.raises(UnsupportedMedia, match=r"the file is empty|an \.npz with.*a CSV file"):
            read(content)


def test_an_archive_of_other_things(make: Any) -> None:
    with pytest.raises(UnsupportedMedia, match=r"a ZIP of letter\.docx"):
        load(make.pack({"letter.docx": b"dear"}))
