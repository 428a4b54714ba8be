"""Zarr arrays out of listed files: as zarr itself reads them; and which are not read."""

from __future__ import annotations

import hashlib
import json
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import UnsupportedMedia
from core.tiles.arrays import Result, reader
from core.tiles.header import Header, read_header
from core.tiles.listing import METADATA

SORTS: dict[str, dict[str, Any]] = {
    "plain": {"compressors": None},
    "zstd": {},
    "blosc": {"compressors": zarr.codecs.BloscCodec()},
    "sharded": {"shards": (6, 4)},
    "version 2": {"zarr_format": 2},
    "version 2, blosc": {"zarr_format": 2, "compressors": numcodecs.Blosc()},
}


class Folder:
    """Files by the digest of their bytes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fetched: list[str] = []

    def add(self, data: bytes) -> str:
        name = hashlib.sha256(data).hexdigest()
        (self.path / name).write_bytes(data)
        return name

    def listed(self, array: Path) -> dict[str, str]:
        found = [path for path in array.rglob("*") if path.is_file()]
        return {str(path.relative_to(array)): self.add(path.read_bytes()) for path in found}

    def fetch(self, name: str) -> Path:
        self.fetched.append(name)
        return self.path / name

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "files").mkdir()
    return Folder(tmp_path / "files")


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("dtype", ["bool", "int16", "float32", "complex64"])
def test_parts_are_read(folder: Folder, tmp_path: Path, sort: str, dtype: str) -> None:
    x = np.random.default_rng(0).integers(0, 9, (11, 7)).astype(dtype)
    source = tmp_path / "x.zarr"
    made = zarr.create_array(source, shape=x.shape, chunks=(3, 2), dtype=dtype, **SORTS[sort])
    made[:5] = x[:5]  # the other chunks are missing: they hold the fill value
    x[6:] = 0
    made[5:6] = x[5:6]
    files = folder.listed(source)
    header = read_header(files, folder.read)
    assert header == Header((11, 7), dtype, (3, 2), SORTS[sort].get("shards"))
    read = reader(files, header, folder.fetch)
    np.testing.assert_array_equal(read((slice(1, 9), slice(3, 7))), x[1:9, 3:7])
    np.testing.assert_array_equal(read((slice(0, 11), slice(0, 7))), x)
    assert len(folder.fetched) == len(set(folder.fetched))


@settings(max_examples=15)
@given(st.data())
def test_tiles_that_were_written_one_by_one_are_the_array(data: Any) -> None:
    ndim = data.draw(st.integers(1, 3))
    sides = st.tuples(*[st.integers(1, 3)] * ndim)
    chunks, factor = data.draw(sides), data.draw(sides)
    tile = tuple(c * f for c, f in zip(chunks, factor, strict=True))
    shape = data.draw(st.tuples(*[st.integers(1, 9)] * ndim))
    x = np.random.default_rng(data.draw(st.integers(0, 9))).integers(0, 3, shape).astype("f4")
    result = Result(Header(shape, "float32", chunks), tile)
    files = {
        METADATA: zarr.core.buffer.default_buffer_prototype().buffer.from_bytes(result.metadata)
    }
    for place in np.ndindex(*(-(-n // t) for n, t in zip(shape, tile, strict=True))):
        part = tuple(slice(p * t, (p + 1) * t) for p, t in zip(place, tile, strict=True))
        path, encoded = result.encode(place, x[part])
        assert path == f"c/{'/'.join(map(str, place))}"
        assert (path, bytes(encoded)) == (path, bytes(result.encode(place, x[part])[1]))
        files[path] = zarr.core.buffer.default_buffer_prototype().buffer.from_bytes(bytes(encoded))
    array = zarr.open_array(zarr.storage.MemoryStore(files), mode="r")
    np.testing.assert_array_equal(array[...], x)


GOOD: dict[str, Any] = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [4, 4],
    "data_type": "float32",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 2]}},
    "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
}


def test_the_good_one_is_accepted(folder: Folder) -> None:
    files = {METADATA: folder.add(json.dumps(GOOD).encode())}
    assert read_header(files, folder.read) == Header((4, 4), "float32", (2, 2))


def sharded(chunks: list[int], index_codecs: list[Any]) -> dict[str, Any]:
    inner = {"codecs": [{"name": "bytes"}], "index_codecs": index_codecs, "chunk_shape": chunks}
    return {"name": "sharding_indexed", "configuration": inner}


@pytest.mark.parametrize(
    "change",
    [
        {"node_type": "group"},
        {"shape": [4]},
        {"shape": [4, 0]},
        {"shape": [1 << 30, 1 << 30]},
        {"shape": [4.0, 4]},
        {"shape": None},
        {"data_type": "string"},
        {"data_type": {"name": "numpy.datetime64"}},
        {"codecs": [{"name": "gzip"}]},
        {"codecs": [{"name": "numcodecs.pickle"}]},
        {"codecs": [{"name": "sharding_indexed", "configuration": {"codecs": [{"name": "gzip"}]}}]},
        {"codecs": None},
        {"codecs": []},
        {"codecs": [{"name": "zstd"}]},
        {"codecs": [{"name": "transpose"}]},
        {"codecs": [{"name": "bytes"}, {"name": "zstd"}, {"name": "zstd"}]},
        {"codecs": [{"name": "bytes"}, {"name": "sharding_indexed"}]},
        {"codecs": [sharded([1, 1], [{"name": "bytes"}, {"name": "zstd"}])]},
        {"codecs": [sharded([1, 3], [{"name": "bytes"}])]},
        {"codecs": [sharded([1], [{"name": "bytes"}])]},
        {"codecs": [sharded([1, 1], [{"name": "bytes"}]), {"name": "zstd"}]},
        {"chunk_grid": {"name": "rectilinear"}},
        {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1 << 15, 1 << 15]}}},
        {"chunk_grid": {}},
    ],
    ids=str,
)
def test_metadata_of_another_sort_is_refused(folder: Folder, change: dict[str, Any]) -> None:
    files = {METADATA: folder.add(json.dumps(GOOD | change).encode())}
    with pytest.raises(UnsupportedMedia):
        read_header(files, folder.read)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"zarr_format":3'])
def test_what_is_no_metadata_is_refused(folder: Folder, data: bytes) -> None:
    with pytest.raises(UnsupportedMedia):
        read_header({METADATA: folder.add(data)}, folder.read)
    with pytest.raises(UnsupportedMedia, match="no Zarr array"):
        read_header({"c/0": folder.add(data)}, folder.read)


def test_old_arrays_of_objects_are_refused(folder: Folder) -> None:
    plain = {"zarr_format": 2, "shape": [4], "chunks": [2], "dtype": "<f4", "compressor": None}
    for change in (
        {"dtype": "|O"},
        {"filters": [{"id": "pickle"}]},
        {"compressor": {"id": "zlib"}},
    ):
        files = {".zarray": folder.add(json.dumps(plain | change).encode())}
        with pytest.raises(UnsupportedMedia):
            read_header(files, folder.read)


BYTES: dict[str, Any] = {"name": "bytes", "configuration": {"endian": "little"}}
ZSTD: dict[str, Any] = {"name": "zstd", "configuration": {"level": 0, "checksum": False}}
BLOSC: dict[str, Any] = {"name": "blosc", "configuration": {"cname": "lz4"}}
SHARDS: dict[str, Any] = {
    "name": "sharding_indexed",
    "configuration": {
        "chunk_shape": [1, 1],
        "codecs": [BYTES, ZSTD],
        "index_codecs": [BYTES],
        "index_location": "end",
    },
}
NOWHERE = (1 << 64) - 1


def zstd(size: int, told: int | None = None) -> bytes:
    """Return a frame of so many zeros, which says that it has ``told``, or nothing."""
    head = b"\x00\x50" if told is None else b"\xc0\x50" + struct.pack("<Q", told)
    blocks = [min(1 << 17, size - at) for at in range(0, size, 1 << 17)]
    # Each a byte that is repeated.
    packed = [struct.pack("<I", b << 3 | 2 | (i == len(blocks) - 1)) for i, b in enumerate(blocks)]
    return b"\x28\xb5\x2f\xfd" + head + b"".join(p[:3] + b"\0" for p in packed)


def blosc(size: int, packed: int) -> bytes:
    """Return the header of a chunk that is stored as it is, and nothing of it."""
    return struct.pack("<BBBBIII", 2, 1, 2, 1, size, size, packed)


def index(*places: tuple[int, int]) -> bytes:
    """Return the index of a shard of four chunks."""
    every = [*places, *[(NOWHERE, NOWHERE)] * (4 - len(places))]
    return b"".join(struct.pack("<QQ", *place) for place in every)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.parametrize(
    ("codecs", "chunk"),
    [
        ([BYTES], b"short"),
        ([BYTES], b"x" * 17),
        ([BYTES, {"name": "crc32c"}], b"x"),
        ([BYTES, ZSTD], b""),
        ([BYTES, ZSTD], zstd(8)),
        ([BYTES, ZSTD], zstd(8, 8)),
        ([BYTES, ZSTD], zstd(1 << 30)),
        ([BYTES, ZSTD], zstd(1 << 30, 1 << 30)),
        ([BYTES, ZSTD], zstd(16, 1 << 62)),
        ([BYTES, ZSTD], zstd(16, 16) + zstd(1 << 30)),
        ([BYTES, BLOSC], b"short"),
        ([BYTES, BLOSC], blosc(16, 32)),
        ([BYTES, BLOSC], blosc(4096, 4112)),
        ([BYTES, BLOSC], blosc(1 << 31, 16)),
        ([BYTES, BLOSC], bytes(numcodecs.Blosc().encode(bytes(1 << 26)))),
        ([SHARDS], b"short"),
        ([SHARDS], zstd(1 << 30) + index((0, len(zstd(1 << 30))))),
        ([SHARDS], index((1 << 63, 10))),
        ([SHARDS], index((NOWHERE - 5, 10))),
        ([SHARDS], index((5, NOWHERE - 6))),
        ([{"name": "transpose", "configuration": {"order": [5, 0]}}, BYTES], bytes(16)),
    ],
)
def test_a_chunk_that_is_something_else_is_refused_before_it_takes_memory(
    folder: Folder, codecs: list[Any], chunk: bytes
) -> None:
    metadata = GOOD | {
        "fill_value": 0,
        "chunk_key_encoding": {"name": "default"},
        "attributes": {},
        "codecs": codecs,
    }
    files = {METADATA: folder.add(json.dumps(metadata).encode()), "c/0/0": folder.add(chunk)}
    header = read_header(files, folder.read)
    tracemalloc.start()
    with pytest.raises(UnsupportedMedia, match="not what its metadata says"):
        reader(files, header, folder.fetch)((slice(0, 1), slice(0, 1)))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 16 << 20


def test_a_file_that_is_longer_than_any_chunk_is_not_read(folder: Folder) -> None:
    metadata = GOOD | {"fill_value": 0, "chunk_key_encoding": {"name": "default"}}
    files = {METADATA: folder.add(json.dumps(metadata).encode()), "c/0/0": "long"}
    with (folder.path / "long").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UnsupportedMedia, match="not what its metadata says"):
        reader(files, read_header(files, folder.read), folder.fetch)((slice(0, 1), slice(0, 1)))
