from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
import scipy.io.wavfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.errors import InvalidInput, UnsupportedMedia
from core.media import WAV, Extra, decode, encode, inspect

DTYPES = ["uint8", "int16", "int32", "float32", "float64"]
SOUNDS = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(
        dtype,
        st.one_of(st.tuples(st.integers(0, 9)), st.tuples(st.integers(0, 9), st.integers(2, 3))),
    )
)


def wav(header: bytes, data: bytes, *, data_size: int | None = None, before: bytes = b"") -> bytes:
    size = len(data) if data_size is None else data_size
    body = b"WAVE" + before + b"fmt " + struct.pack("<I", len(header)) + header
    body += b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def pcm(bits: int, channels: int = 1, tag: int = 1) -> bytes:
    frame = channels * bits // 8
    return struct.pack("<HHIIHH", tag, channels, 8000, 8000 * frame, frame, bits)


@given(sound=SOUNDS, rate=st.integers(1, 400_000))
@settings(max_examples=60)
def test_round_trip(sound: np.ndarray, rate: int) -> None:
    encoded = encode(sound, WAV, extra=Extra(sample_rate=rate))
    decoded = decode(encoded, WAV)
    np.testing.assert_array_equal(decoded.array, sound)
    assert decoded.array.dtype == sound.dtype
    assert inspect(encoded) == decoded.info
    assert decoded.info.extra == {"sample_rate": rate, "bits_per_sample": 8 * sound.itemsize}
    if sound.size:
        their_rate, theirs = scipy.io.wavfile.read(io.BytesIO(encoded))
        np.testing.assert_array_equal(theirs, sound)
        assert their_rate == rate


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 2])
def test_scipys_files(dtype: str, channels: int) -> None:
    sound = (np.random.default_rng(0).random((50, channels)) * 100).astype(dtype)
    sound = sound[:, 0] if channels == 1 else sound
    file = io.BytesIO()
    scipy.io.wavfile.write(file, 22050, sound)
    decoded = decode(file.getvalue())
    np.testing.assert_array_equal(decoded.array, sound)
    assert decoded.info.extra["sample_rate"] == 22050


@given(values=st.lists(st.integers(-(1 << 23), (1 << 23) - 1), max_size=20))
@settings(max_examples=30)
def test_24_bits_are_the_upper_bits_and_come_back(values: list[int]) -> None:
    data = b"".join(value.to_bytes(3, "little", signed=True) for value in values)
    decoded = decode(wav(pcm(24), data + b"\0" * (len(data) % 2), data_size=len(data)))
    assert decoded.array.tolist() == [value << 8 for value in values]
    assert decoded.array.dtype == np.int32
    assert decoded.info.extra["bits_per_sample"] == 24
    again = decode(encode(decoded.array, WAV, extra=decoded.info.extra))
    assert again.array.tolist() == decoded.array.tolist()
    assert again.info == decoded.info


def test_24_bits_are_rounded_within_the_range() -> None:
    sound = np.array([0x7F, 0x80, -0x80, -0x81, 0x7FFFFFFF, -0x80000000], np.int32)
    again = decode(encode(sound, WAV, extra=Extra(sample_rate=1, bits_per_sample=24))).array
    assert (again >> 8).tolist() == [0, 1, 0, -1, 0x7FFFFF, -0x800000]


def test_other_chunks_are_passed_over() -> None:
    before = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    decoded = decode(wav(pcm(16), struct.pack("<2h", 5, -6), before=before))
    assert decoded.array.tolist() == [5, -6]


def test_extensible_headers() -> None:
    guid = b"\x03\x00" + bytes.fromhex("000000001000800000aa00389b71")
    header = pcm(32, tag=0xFFFE) + struct.pack("<HHI", 22, 32, 4) + guid
    decoded = decode(wav(header, struct.pack("<f", 0.5)))
    assert decoded.array.tolist() == [0.5]
    assert decoded.array.dtype == np.float32


def test_a_streamed_file_ends_where_it_ends() -> None:
    sound = wav(pcm(16), struct.pack("<3h", 1, 2, 3), data_size=0xFFFFFFFF)
    assert decode(sound).array.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (wav(pcm(16), b"1234", data_size=400), "truncated"),
        (wav(pcm(16), b"123"), "within a frame"),
        (wav(pcm(12), b"1234"), "encoding"),
        (wav(pcm(4, tag=0x11), b"1234"), "encoding"),
        (wav(pcm(16, channels=0), b"1234"), "0 channels"),
        (wav(pcm(16)[:12] + b"\x07\0\x10\0", b"1234"), "frames of 7"),
        (wav(b"too tiny", b"1234"), "too short"),
        (b"RIFF\0\0\0\0WAVE", "no data chunk"),
        (b"RIFF\0\0\0\0WAVEdata\2\0\0\0ab", "no 'fmt '"),
        (b"RF64\0\0\0\0WAVE", "this kind"),
        (b"RIFX\0\0\0\0WAVE", "this kind"),
        (b"RIFF\0\0\0\0WAVE" + b"junk\0\0\0\0" * 5000, "too many chunks"),
    ],
)
def test_broken_and_foreign_files_are_refused(content: bytes, message: str) -> None:
    for read in (inspect, decode):
        with pytest.raises(UnsupportedMedia, match=message):
            read(content)


@pytest.mark.parametrize(
    ("sound", "extra", "message"),
    [
        (np.zeros(4, np.int16), {}, "sample rate"),
        (np.zeros(4, np.int64), {"sample_rate": 1}, "cannot hold"),
        (np.zeros((2, 2, 2), np.int16), {"sample_rate": 1}, "cannot hold"),
        (np.zeros((2, 0), np.int16), {"sample_rate": 1}, "cannot hold"),
        (np.zeros((1, 70000), np.int16), {"sample_rate": 1}, "cannot hold"),
    ],
)
def test_what_a_wav_cannot_hold_is_refused(sound: np.ndarray, extra: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        encode(sound, WAV, extra=extra)
    assert caught.value.field == "output"
