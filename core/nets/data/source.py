"""The file of a data set: in memory, mapped, or far away; read through one interface."""

from __future__ import annotations

import io
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias, cast

from core.errors import UnsupportedMedia
from core.media.guard import file_size
from core.media.types import SNIFF_BYTES
from core.nets.data.archive import Archive, open_archive
from core.nets.data.limits import Limits

Source: TypeAlias = bytes | os.PathLike[str] | BinaryIO

Buffer: TypeAlias = bytes | bytearray | mmap.mmap

_ZIP: Final = b"PK\x03\x04"


@dataclass(frozen=True)
class DataFile:
    """An opened file, and what every format wants to know of it first.

    Attributes
    ----------
    file : BinaryIO
        Seekable.
    size : int
        In bytes.
    head : bytes
        The first of them.
    archive : Archive, optional
        What is in it, if it is a ZIP archive.
    buffer : bytes-like, optional
        All bytes, where they can be had without reading them.
    limits : Limits
        What it may hold.
    """

    file: BinaryIO
    size: int
    head: bytes
    archive: Archive | None
    buffer: Buffer | None
    limits: Limits


@contextmanager
def opened(source: Source, limits: Limits) -> Iterator[DataFile]:
    """Open a file for `inspect`, which is done with it at the end.

    Parameters
    ----------
    source : bytes, path or seekable binary file
        A file object stays open.
    limits : Limits
        What it may hold.

    Raises
    ------
    UnsupportedMedia
        If it is empty, or a damaged or dangerous archive.
    """
    if isinstance(source, bytes):
        yield _look(io.BytesIO(source), None, limits)
    elif isinstance(source, os.PathLike):
        with Path(source).open("rb") as file:
            yield _look(file, None, limits)
    else:
        yield _look(source, None, limits)


def mapped(source: bytes | os.PathLike[str], limits: Limits) -> DataFile:
    """Open a file for `load`, for as long as its images are used.

    A file on disk is mapped, so nothing needs to be closed: it is free when nobody refers to it
    any more.

    Parameters
    ----------
    source : bytes or path
        A file must not change while it is used.
    limits : Limits
        What it may hold.

    Raises
    ------
    UnsupportedMedia
        If it is empty, or a damaged or dangerous archive.
    """
    buffer: Buffer
    if isinstance(source, bytes):
        buffer = source
    else:
        with Path(source).open("rb") as file:
            # An empty file cannot be mapped.
            empty = file_size(file) == 0
            buffer = b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return _look(cast("BinaryIO", _View(buffer)), buffer, limits)


def _look(file: BinaryIO, buffer: Buffer | None, limits: Limits) -> DataFile:
    size = file_size(file)
    if size == 0:
        raise UnsupportedMedia("the file is empty", field="data", given="0 bytes")
    head = bytes(file.read(SNIFF_BYTES))
    archive = open_archive(file, limits) if head.startswith(_ZIP) else None
    return DataFile(file, size, head, archive, buffer, limits)


class _View(io.RawIOBase):
    """A buffer as a file, without a copy of all of it as `io.BytesIO` makes."""

    def __init__(self, buffer: Buffer) -> None:
        self._buffer = buffer
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._buffer)}[whence]
        if start + offset < 0:
            raise OSError("a position before the start of the file")
        self._at = start + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        stop = len(self._buffer) if size is None or size < 0 else self._at + size
        data = bytes(self._buffer[self._at : stop])
        self._at += len(data)
        return data
