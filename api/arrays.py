"""Chunked arrays: the listing that is uploaded once its files are, and all of it as one ZIP."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from anyio.to_thread import run_sync

from api.services import Services
from core.media import ZARR
from core.store.artifacts import Artifact, ArtifactStore
from core.tiles.header import read_header
from core.tiles.listed import listed, read_small
from core.tiles.listing import MAX_BYTES, parse

# From this size on a member of a ZIP needs fields of 64 bits, which are written before its bytes.
_ZIP64 = 1 << 31


def store_listing(services: Services, path: Path, digest: str) -> tuple[Artifact, bool]:
    """Store the listing of an array whose files are stored; return it and whether it is new.

    Raises
    ------
    InvalidInput, TooLarge
        It is no listing.
    UnsupportedMedia
        The files are no array that is read.
    NotFound
        A file is not stored; ``given`` is its digest.
    """
    with path.open("rb") as file:
        files = parse(file.read(MAX_BYTES + 1))
    header = read_header(files, lambda part: read_small(services.artifacts, part))
    artifact, is_new = services.artifacts.commit(path, digest, ZARR, header.shape, header.dtype)
    services.artifacts.bind(digest, files.values())
    return artifact, is_new


async def zipped(store: ArtifactStore, digest: str) -> AsyncIterator[bytes]:
    """Yield a ZIP of the files of an array, in memory that does not grow with it.

    Nothing is compressed once more, so that Zarr reads it as it is.
    """
    files = (await run_sync(listed, store, digest)).files
    sink = _Sink()
    with ZipFile(sink, "w", ZIP_STORED) as archive:
        for path, part in files.items():
            artifact = await run_sync(store.get, part)
            with archive.open(ZipInfo(path), "w", force_zip64=artifact.size >= _ZIP64) as member:
                async for piece in store.stream(artifact, 0, artifact.size):
                    member.write(piece)
                    for data in sink.taken():
                        yield data
    for data in sink.taken():
        yield data


class _Sink(io.RawIOBase):
    """A file that cannot go back, of which what is written is taken at once."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(memoryview(data))  # type: ignore[arg-type]
        self._waiting.append(piece)
        return len(piece)

    def taken(self) -> Iterator[bytes]:
        waiting, self._waiting = self._waiting, []
        yield from waiting
