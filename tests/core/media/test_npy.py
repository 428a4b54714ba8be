from __future__ import annotations

import io
import mmap
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.errors import InvalidInput, UnsupportedMedia
from core.media import NPY, NPZ, decode, encode, inspect, write
from core.media.npy import ACCEPTED_DTYPES, read_array

ARRAYS = st.sampled_from(ACCEPTED_DTYPES).flatmap(
    lambda dtype: hnp.arrays(
        dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
    )
)


def saved(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@given(array=ARRAYS, media_type=st.sampled_from([NPY, NPZ]))
@settings(max_examples=80)
def test_round_trip(array: np.ndarray, media_type: str) -> None:
    encoded = encode(array, media_type)
    decoded = decode(encoded, media_type)
    np.testing.assert_array_equal(decoded.array, array)
    assert decoded.array.dtype == array.dtype
    assert inspect(encoded) == decoded.info
    loaded = np.load(io.BytesIO(encoded))
    np.testing.assert_array_equal(loaded["arr_0"] if media_type == NPZ else loaded, array)


@given(array=ARRAYS)
@settings(max_examples=30)
def test_an_npy_is_what_numpy_writes(array: np.ndarray) -> None:
    assert encode(array, NPY) == saved(np.require(array, requirements="C"))


def test_large_arrays_go_in_pieces_and_come_back() -> None:
    array = np.random.default_rng(0).normal(size=(300, 700))
    pieces: list[int] = []

    class Recorder(io.BytesIO):
        def write(self, data: bytes) -> int:  # type: ignore[override]
            pieces.append(len(data))
            return super().write(data)

    for layout in (array, np.asfortranarray(array), array[::-1].T.copy()[:, ::-1].T):
        file = Recorder()
        write(layout, file, NPY)
        assert file.getvalue() == saved(array)
        assert max(pieces) <= 1 << 19


@pytest.mark.parametrize("dtype", [">f4", ">i2", "<f8", ">c16"])
def test_order_and_byte_order(dtype: str) -> None:
    array = np.asfortranarray(np.arange(12).reshape(3, 4).astype(dtype))
    decoded = decode(saved(array))
    np.testing.assert_array_equal(decoded.array, array)
    assert decoded.array.dtype.isnative
    assert decoded.info.dtype == decoded.array.dtype.name
    # The same values give the same bytes, however they lie in memory.
    assert encode(array, NPY) == encode(np.arange(12).reshape(3, 4).astype(dtype[1:]), NPY)


def test_a_file_on_disk_is_mapped(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.arange(10.0))
    array = decode(path).array
    np.testing.assert_array_equal(array, np.arange(10.0))
    assert isinstance(array.base, mmap.mmap)
    assert not array.flags.writeable


def test_inspect_reads_no_data(tmp_path: Path) -> None:
    # 1 TB on paper, a header on disk.
    path = tmp_path / "sparse.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": (1 << 19, 1 << 19)}
        )
        file.truncate(file.tell() + (1 << 40))
    info = inspect(path)
    assert (info.shape, info.dtype) == ((1 << 19, 1 << 19), "float32")


@pytest.mark.parametrize(
    "array",
    [
        np.array([{"a": 1}], dtype=object),
        np.array(["text"]),
        np.array(["2026-01-01"], dtype="datetime64[D]"),
        np.zeros(2, dtype=[("a", "f4")]),
        np.zeros(2, dtype=np.longdouble),
    ],
)
def test_other_dtypes_are_refused(array: np.ndarray) -> None:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    for read in (inspect, decode):
        with pytest.raises(UnsupportedMedia, match="dtype"):
            read(file.getvalue())
    with pytest.raises(InvalidInput, match="dtype"):
        encode(array, NPY)


def test_the_size_must_be_true() -> None:
    encoded = saved(np.arange(5.0))
    for read in (inspect, decode):
        with pytest.raises(UnsupportedMedia, match="truncated npy"):
            read(encoded[:-1])
        with pytest.raises(UnsupportedMedia, match="damaged npy"):
            read(encoded + b"more")


def test_a_header_that_says_to_be_gigabytes_is_not_read(tmp_path: Path) -> None:
    # Two gigabytes on paper, twelve bytes on disk.
    path = tmp_path / "header.npy"
    with path.open("wb") as file:
        file.write(b"\x93NUMPY\x02\x00" + (2 << 30).to_bytes(4, "little"))
        file.truncate(3 << 30)
    tracemalloc.start()
    for read in (inspect, decode):
        with pytest.raises(UnsupportedMedia, match=f"header of this npy.*{2 << 30} bytes"):
            read(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("character", [0x110000, 0xFFFFFFFF, 0xD800, 0xDFFF])
def test_texts_of_what_is_no_character_are_refused(character: int) -> None:
    good = saved(np.array(["ab", "c"]))
    assert read_array(io.BytesIO(good), len(good), texts=True).tolist() == ["ab", "c"]
    bad = good[:-4] + character.to_bytes(4, "little")
    with pytest.raises(UnsupportedMedia, match="no character"):
        read_array(io.BytesIO(bad), len(bad), texts=True)


def test_numbers_are_no_texts_and_texts_no_numbers() -> None:
    for array, texts in ((np.zeros(2), True), (np.array(["a"]), False)):
        content = saved(array)
        with pytest.raises(UnsupportedMedia, match="dtype"):
            read_array(io.BytesIO(content), len(content), texts=texts)


def test_a_member_is_as_long_as_its_header_says() -> None:
    content = saved(np.arange(4.0))
    for size in (len(content) - 8, len(content) + 8, 1 << 62):
        with pytest.raises(UnsupportedMedia, match="takes 32 bytes"):
            read_array(io.BytesIO(content), size)
    with pytest.raises(UnsupportedMedia, match="takes 32 bytes"):
        read_array(io.BytesIO(content[:-1]), len(content))
