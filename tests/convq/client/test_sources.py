from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from convq.client.sources import CHUNK, is_digest, source
from core.errors import InvalidInput

dtypes = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?"),
    hnp.complex_number_dtypes(endianness="?"),
)


def content(value: Any) -> bytes:
    found = source(value)
    data = b"".join(found.chunks())
    assert data == b"".join(found.chunks()), "the second reading must give the same bytes"
    assert found.size == len(data)
    assert found.digest() == f"sha256:{hashlib.sha256(data).hexdigest()}"
    return data


@settings(max_examples=80)
@given(
    hnp.arrays(
        dtypes,
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
    ),
    st.sampled_from(["as it is", "transposed", "every other", "read-only"]),
)
def test_arrays_are_what_numpy_saves(array: np.ndarray[Any, Any], view: str) -> None:
    if view == "transposed":
        array = array.T
    elif view == "every other" and array.ndim:
        array = array[::2]
    elif view == "read-only":
        array.setflags(write=False)
    saved = io.BytesIO()
    np.save(saved, array)
    loaded = np.load(io.BytesIO(content(array)))
    assert loaded.dtype == array.dtype
    assert loaded.shape == array.shape
    assert loaded.tobytes() == np.load(io.BytesIO(saved.getvalue())).tobytes()


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_the_order_in_memory_does_not_matter(axes: tuple[int, ...]) -> None:
    array = np.arange(24).reshape(2, 3, 4).transpose(axes)
    np.testing.assert_array_equal(np.load(io.BytesIO(content(array))), array)


def test_a_large_array_comes_in_pieces() -> None:
    array = np.arange(CHUNK, dtype=np.float64)
    assert max(map(len, source(array).chunks())) <= CHUNK
    np.testing.assert_array_equal(np.load(io.BytesIO(content(array))), array)


def test_memory_mapped_arrays_are_not_copied(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(1000.0))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert content(mapped) == (tmp_path / "a.npy").read_bytes()


@pytest.mark.parametrize("array", [np.array([object()]), np.array(["a"]), np.zeros(2, "i4,f8")])
def test_arrays_of_other_things_are_refused(array: np.ndarray[Any, Any]) -> None:
    with pytest.raises(InvalidInput, match="inputs: an array of this dtype cannot be uploaded"):
        source(array)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes(kind: Any) -> None:
    assert content(kind(b"abc")) == b"abc"


def test_no_bytes() -> None:
    assert content(b"") == b""


@pytest.mark.parametrize("kind", [str, Path])
def test_paths(tmp_path: Path, kind: Any) -> None:
    path = tmp_path / "cat.bin"
    path.write_bytes(os.urandom(CHUNK + 7))
    assert content(kind(path)) == path.read_bytes()
    assert source(kind(path)).name == "cat.bin"


def test_open_files_are_read_from_where_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "cat.bin"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        file.seek(4)
        assert content(file) == b"456789"
        assert source(io.BytesIO(b"abc")).name is None


def test_pipes_are_refused() -> None:
    reading, writing = os.pipe()
    os.close(writing)
    with (
        os.fdopen(reading, "rb") as pipe,
        pytest.raises(InvalidInput, match="a pipe cannot be read twice"),
    ):
        source(pipe)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("no/such/cat.jpg", "kernel: there is no such file .*no/such/cat.jpg"),
        (os.curdir, "kernel: this is a folder"),
        (7, "kernel: this cannot be uploaded .*given: 'int'; accepted: a path, bytes"),
        (io.StringIO("text"), "kernel: this cannot be uploaded"),
    ],
)
def test_what_cannot_be_uploaded(value: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        source(value, "kernel")


def test_digests() -> None:
    assert is_digest("sha256:" + "ab" * 32)
    assert not is_digest("sha256:" + "AB" * 32)
    assert not is_digest("sha256:" + "ab" * 32 + "\n")
    assert not is_digest(b"sha256:")


def test_a_file_that_cannot_be_read_is_named() -> None:
    # Its first page is mapped in no process, so that reading it fails for every user.
    with pytest.raises(InvalidInput, match=r"^inputs: this cannot be read: .*/proc/self/mem"):
        source(Path("/proc/self/mem")).digest()
