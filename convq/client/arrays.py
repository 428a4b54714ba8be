"""Chunked arrays: a folder as Zarr writes it goes up file by file, and comes down the same way."""

from __future__ import annotations

import io
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import IO, Any, TypeGuard

from convq.client.flow import Flow, OnSent
from convq.client.models import Artifact
from core.errors import InvalidInput
from core.tiles import listing
from core.tiles.listing import METADATA, METADATA_2

Store = Callable[[Any, OnSent | None], Flow[Artifact]]


def is_array(value: object) -> TypeGuard[str | PathLike[str]]:
    """Tell whether a path is that of a folder which holds a Zarr array.

    Examples
    --------
    >>> is_array("photos")
    False
    """
    if not isinstance(value, str | PathLike):
        return False
    return any((Path(value) / name).is_file() for name in (METADATA, METADATA_2))


def files_of(folder: Path) -> dict[str, Path]:
    """Return the files of an array by their paths in it."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path for path in found}


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files of an array."""
    if path.is_dir():
        return sum(file.stat().st_size for file in files_of(path).values())
    return path.stat().st_size


def upload_array(folder: Path, store: Store, on_sent: OnSent | None = None) -> Flow[Artifact]:
    """Store each file that the service has not yet, then the listing of them all.

    An upload that broke off goes on where it was when it is begun again.
    """
    files = files_of(folder)
    if len(files) > listing.MAX_FILES:
        raise InvalidInput(
            "the array has too many files",
            field="inputs",
            given=f"{folder}: {len(files)}",
            accepted=f"at most {listing.MAX_FILES}; larger chunks, or shards",
        )
    listed, before = {}, 0
    for name, path in files.items():
        listed[name] = (yield from store(path, _after(before, on_sent))).digest
        before += path.stat().st_size
    return (yield from store(listing.write(listed), None))


def save_array(
    digest: str,
    folder: Path,
    receive: Callable[[str, IO[bytes]], Flow[None]],
    save: Callable[[str, Path], Flow[Path]],
) -> Flow[Path]:
    """Write the files of an array into a folder; those that are there already stay."""
    memory = io.BytesIO()
    yield from receive(digest, memory)
    for name, part in listing.parse(memory.getvalue()).items():
        path = folder / name
        # Each appears only when it is whole.
        if not path.exists():
            yield from save(part, path)
    return folder


def _after(before: int, on_sent: OnSent | None) -> OnSent | None:
    if on_sent is None:
        return None
    return lambda sent: on_sent(before + sent)
