"""Zarr arrays over files that lie elsewhere: read part by part, and written tile by tile.

With `core.tiles.codecs` the only file that imports zarr, which takes a third of a second; it is
imported where it is used.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import MemoryStore

from core import strict_json
from core.errors import ConvqError, UnsupportedMedia
from core.tiles.codecs import exact
from core.tiles.header import Header
from core.tiles.listing import METADATA, METADATA_2
from core.tiles.reading import Read

# A chunk that does not compress becomes a little longer; the index of a shard is as long as this.
_MOST_MORE: Final = 32 << 20
# What zarr raises where it does not find what it expects.
_STRANGE: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    SystemError,
    TypeError,
    ValueError,
)


def reader(files: Mapping[str, str], header: Header, fetch: Callable[[str], Path]) -> Read:
    """Return what reads a part of a listed array, decoded.

    Parameters
    ----------
    files : mapping of str to str
        The listing: digests by path.
    header : Header
        What `core.tiles.header.read_header` says of it.
    fetch : callable
        ``fetch(digest)`` gives a local, verified file; it may be called from several threads, and
        is called once for each file that is needed.

    Returns
    -------
    callable
        ``read(slices)``; it raises UnsupportedMedia for chunks that are not what the metadata
        says, before they take more memory than the metadata says.
    """
    path = METADATA if METADATA in files else METADATA_2
    itemsize = np.dtype(header.dtype).itemsize
    document = exact(strict_json.parse(fetch(files[path]).read_bytes()), itemsize)
    with _refusing():
        store = _Files(files, fetch, header, {path: json.dumps(document).encode()})
        array = zarr.open_array(store, mode="r")

    def read(slices: tuple[slice, ...]) -> NDArray[Any]:
        with _refusing():
            return np.asarray(array[slices])

    return read


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except ConvqError:
        raise
    except _STRANGE as error:
        raise UnsupportedMedia(
            f"a chunk of this array is not what its metadata says: {error}",
            field="inputs",
            accepted="an array as Zarr writes it",
        ) from error


class Result:
    """The result of tiles, a Zarr array of version 3 in which each tile is a file.

    Within the file of a tile, a shard, are chunks that can be read by themselves.

    Parameters
    ----------
    header : Header
        Of the array; its chunks are those within a file, and divide a tile.
    tile : tuple of int
        The shape of a tile.

    Examples
    --------
    >>> result = Result(Header((5,), "uint8", (2,)), tile=(4,))
    >>> sorted({result.encode((1,), np.array([7], np.uint8))[0], METADATA})
    ['c/1', 'zarr.json']
    """

    def __init__(self, header: Header, tile: tuple[int, ...]) -> None:
        self._header = header
        self._tile = tile

    @property
    def metadata(self) -> bytes:
        """The bytes of ``zarr.json``."""
        files, _ = self._new()
        return cast(bytes, files[METADATA].to_bytes())

    def encode(self, place: tuple[int, ...], values: NDArray[Any]) -> tuple[str, Any]:
        """Return the path and the bytes of the file of one tile.

        Parameters
        ----------
        place : tuple of int
            Of the tile among the others.
        values : ndarray
            All of the tile that lies within the array.
        """
        files, array = self._new()
        starts = [at * side for at, side in zip(place, self._tile, strict=True)]
        part = tuple(
            slice(start, start + side) for start, side in zip(starts, values.shape, strict=True)
        )
        array[part] = values
        ((path, data),) = ((path, data) for path, data in files.items() if path != METADATA)
        return path, data.as_numpy_array().data

    def _new(self) -> tuple[dict[str, Any], Any]:
        files: dict[str, Any] = {}
        array = zarr.create_array(
            MemoryStore(files),
            shape=self._header.shape,
            dtype=self._header.dtype,
            shards=self._tile,
            chunks=self._header.chunks,
            compressors=None,
            filters=None,
            # Else a tile of zeros would have no file.
            config={"write_empty_chunks": True},
        )
        return files, array


class _Files(Store):
    """Files by path, read only, of which parts may be asked for, and some in place of theirs."""

    def __init__(
        self,
        files: Mapping[str, str],
        fetch: Callable[[str], Path],
        header: Header,
        instead: Mapping[str, bytes],
    ) -> None:
        super().__init__(read_only=True)
        self._files = files
        self._fetch = fetch
        self._instead = instead
        itemsize = np.dtype(header.dtype).itemsize
        self._most = _MOST_MORE + 2 * itemsize * math.prod(header.shards or header.chunks)
        self._most_of_part = _MOST_MORE + 2 * itemsize * math.prod(header.chunks)
        self._fetched: dict[str, asyncio.Future[Path]] = {}

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = Store.__hash__

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return the bytes of a file, or some of them; None where it is not listed."""
        if key in self._instead:
            return prototype.buffer.from_bytes(self._instead[key])
        digest = self._files.get(key)
        if digest is None:
            return None
        if digest not in self._fetched:
            # In a thread: several are fetched at a time.
            self._fetched[digest] = asyncio.ensure_future(asyncio.to_thread(self._fetch, digest))
        path = await self._fetched[digest]
        most = self._most if byte_range is None else self._most_of_part
        return prototype.buffer.from_bytes(_part(path, byte_range, most))

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Return what `get` returns for each."""
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def exists(self, key: str) -> bool:
        """Tell whether the file is listed."""
        return key in self._files

    @property
    def supports_writes(self) -> bool:
        """No."""
        return False

    @property
    def supports_deletes(self) -> bool:
        """No."""
        return False

    @property
    def supports_listing(self) -> bool:
        """Yes."""
        return True

    async def set(self, key: str, value: Buffer) -> None:
        """Refuse."""
        raise NotImplementedError

    async def delete(self, key: str) -> None:
        """Refuse."""
        raise NotImplementedError

    async def list(self) -> AsyncIterator[str]:
        """Yield all paths."""
        for path in self._files:
            yield path

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Yield the paths that begin with ``prefix``."""
        for path in self._files:
            if path.startswith(prefix):
                yield path

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Yield the names of what is in a folder."""
        start = f"{prefix.rstrip('/')}/" if prefix else ""
        inside = (path.removeprefix(start) for path in self._files if path.startswith(start))
        for name in dict.fromkeys(path.partition("/")[0] for path in inside):
            yield name


def _part(path: Path, wanted: ByteRequest | None, most: int) -> bytes:
    """Return some bytes of a file, or raise ValueError if that are more than ``most``."""
    length = path.stat().st_size
    start, end = 0, length
    if isinstance(wanted, RangeByteRequest):
        start, end = wanted.start, min(wanted.end, length)
    elif isinstance(wanted, OffsetByteRequest):
        start = wanted.offset
    elif isinstance(wanted, SuffixByteRequest):
        start = max(0, length - wanted.suffix)
    if not 0 <= start <= end <= start + most:
        raise ValueError(f"bytes {start} to {end} of a file of {length}")
    with path.open("rb") as file:
        file.seek(start)
        return file.read(end - start)
