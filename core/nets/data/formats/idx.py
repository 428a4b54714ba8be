"""IDX, the format of MNIST: an array in a file, plain or gzipped; images and labels in a ZIP.

Reference
---------
Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits" (1998), whose page
defines it: two zero bytes, the type of the numbers, the number of axes, the axes, all big-endian.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import prod
from typing import IO, Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidInput, UnsupportedMedia
from core.media.guard import refusing_damaged
from core.nets.data import answers
from core.nets.data.answers import Answers
from core.nets.data.checks import as_images, check_finite, native
from core.nets.data.dataset import ArrayImages, Dataset
from core.nets.data.expand import expand
from core.nets.data.format import Format
from core.nets.data.info import DataInfo
from core.nets.data.limits import Room, check_answers, check_expanded
from core.nets.data.options import DataOptions
from core.nets.data.source import DataFile

_DTYPES: Final = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP: Final = b"\x1f\x8b\x08"
_MAX_AXES: Final = 6
# In an archive of more files nobody looks into each of them.
_MAX_MEMBERS: Final = 8


@dataclass(frozen=True)
class _Header:
    """The header of an IDX file, and how it is stored."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    gzipped: bool

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize

    @property
    def start(self) -> int:
        return 4 + 4 * len(self.shape)


def recognises(file: DataFile) -> bool:
    """Return whether it is an IDX file, or an archive of such."""
    if file.archive is None:
        return _looks_like_idx(file.head)
    names = file.archive.names
    return 0 < len(names) <= _MAX_MEMBERS and all(_is_idx(file, name) for name in names)


def inspect(file: DataFile, options: DataOptions) -> DataInfo:
    """Describe it from the headers, and the labels."""
    images, labels = _pair(file)
    with _opened(file, images) as (header, _):
        shaped = as_images(
            np.broadcast_to(np.zeros((), header.dtype), header.shape), options.channels
        )
    found = None if options.reconstruct else _answers(file, labels, Room())
    return answers.describe("idx", len(shaped), shaped.shape[1:], native(header.dtype), found)


def load(file: DataFile, options: DataOptions, room: Room) -> Dataset:
    """Map the images if they are stored as they are, else expand them."""
    images, labels = _pair(file)
    x = as_images(_array(file, images, room), options.channels)
    check_finite(x, "data.x")
    found = None if options.reconstruct else _answers(file, labels, room)
    info = answers.describe("idx", len(x), x.shape[1:], native(x.dtype), found)
    return Dataset(info, ArrayImages(x), None if found is None else found.y)


def _looks_like_idx(head: bytes) -> bool:
    if head.startswith(_GZIP):
        # As much as there is of the beginning; what is damaged later is said when it is read.
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, 4)
        except zlib.error:
            return False
    return len(head) >= 4 and head[:2] == b"\0\0" and head[2] in _DTYPES and head[3] > 0


def _is_idx(file: DataFile, name: str) -> bool:
    assert file.archive is not None
    with file.archive.open(name) as stream, refusing_damaged(name):
        return _looks_like_idx(stream.read(512))


def _pair(file: DataFile) -> tuple[str, str | None]:
    """Return the names of the images and the labels; the name of a file by itself is empty."""
    if file.archive is None:
        return "", None
    names = file.archive.names
    labels: list[str] = []
    images: list[str] = []
    for name in names:
        with _opened(file, name) as (header, _):
            (labels if len(header.shape) == 1 else images).append(name)
    if len(images) != 1 or len(labels) > 1:
        raise InvalidInput(
            "this archive of IDX files is no data set",
            field="data",
            given=list(names),
            accepted="one file of images and one of labels; make one archive for training and "
            "another for testing",
        )
    return images[0], labels[0] if labels else None


@contextmanager
def _opened(file: DataFile, name: str) -> Iterator[tuple[_Header, IO[bytes]]]:
    """Open a file at the start of its data."""
    what = name or "the file"
    with refusing_damaged(f"IDX ({what})"), ExitStack() as stack:
        if file.archive is not None:
            raw: IO[bytes] = stack.enter_context(file.archive.open(name))
            size = file.archive.size(name)
        else:
            file.file.seek(0)
            raw, size = file.file, file.size
        gzipped = raw.read(len(_GZIP)) == _GZIP
        raw.seek(0)
        stream = cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if gzipped else raw
        header = _header(stream, gzipped, what)
        if gzipped:
            check_expanded(header.nbytes, size, file.limits)
        yield header, stream


def _header(stream: IO[bytes], gzipped: bool, what: str) -> _Header:
    start = stream.read(4)
    axes = start[3] if len(start) == 4 else 0
    if start[:2] != b"\0\0" or start[2] not in _DTYPES or not 0 < axes <= _MAX_AXES:
        raise UnsupportedMedia(
            f"damaged: the header of {what} is not that of an IDX file", given=start.hex(" ")
        )
    sides = stream.read(4 * axes)
    if len(sides) < 4 * axes:
        raise UnsupportedMedia(f"truncated: {what} ends within its header", field="data")
    return _Header(struct.unpack(f">{axes}I", sides), np.dtype(_DTYPES[start[2]]), gzipped)


def _array(file: DataFile, name: str, room: Room) -> NDArray[Any]:
    what = name or "the file"
    with _opened(file, name) as (header, stream):
        if file.archive is None and not header.gzipped and file.buffer is not None:
            if file.size != header.start + header.nbytes:
                problem = "truncated" if file.size < header.start + header.nbytes else "damaged"
                raise UnsupportedMedia(
                    f"{problem}: {what} should have {header.start + header.nbytes} bytes",
                    field="data",
                    given=f"{file.size} bytes",
                )
            return np.ndarray(header.shape, header.dtype, file.buffer, header.start)
        return np.ndarray(header.shape, header.dtype, expand(stream, header.nbytes, room, what))


def _answers(file: DataFile, name: str | None, room: Room) -> Answers | None:
    if name is None:
        return None
    with _opened(file, name) as (header, _):
        check_answers(header.shape, file.limits)
    y = _array(file, name, room)
    return answers.from_array(y.astype(y.dtype.newbyteorder("=")), None, file.limits)


FORMAT = Format(
    name="idx",
    summary="IDX files as of MNIST, plain or .gz: images alone, or a ZIP of images and labels",
    options=("channels",),
    recognises=recognises,
    inspect=inspect,
    load=load,
)
