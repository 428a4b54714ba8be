"""``.npz``: an array x of images, an array y of labels or targets, the names of the classes."""

from __future__ import annotations

import zlib
from typing import IO, Any, BinaryIO, Final, cast

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidInput, UnsupportedMedia
from core.media.guard import refusing_damaged
from core.media.npy import NpyHeader, as_array, read_array, read_header
from core.nets.data import answers
from core.nets.data.answers import Answers
from core.nets.data.archive import Archive
from core.nets.data.checks import as_images, check_dtype, check_finite, native
from core.nets.data.dataset import ArrayImages, Dataset
from core.nets.data.expand import expand
from core.nets.data.format import Format
from core.nets.data.info import DataInfo
from core.nets.data.limits import Room, check_answers
from core.nets.data.options import DataOptions
from core.nets.data.source import DataFile

_X, _Y, _CLASSES = "x.npy", "y.npy", "classes.npy"
_ACCEPTED: Final = "an array x, and if there is something to learn of it y, and classes"
_MAX_NAME: Final = 256
_CRC_CHUNK: Final = 1 << 24


def recognises(file: DataFile) -> bool:
    """Return whether it is a ZIP archive of .npy files only."""
    names = file.archive.names if file.archive else ()
    return bool(names) and all(name.endswith(".npy") for name in names)


def inspect(file: DataFile, options: DataOptions) -> DataInfo:
    """Describe it from the header of x, and y."""
    archive = _checked(file)
    with archive.open(_X) as stream:
        header = _header(archive, stream, _X)
    # An array of the shape that takes no memory, so that the rule for the axes is in one place.
    shaped = as_images(np.broadcast_to(np.zeros((), header.dtype), header.shape), options.channels)
    found = None if options.reconstruct else _answers(archive, file)
    return answers.describe("npz", len(shaped), shaped.shape[1:], native(header.dtype), found)


def load(file: DataFile, options: DataOptions, room: Room) -> Dataset:
    """Map x if it is stored as it is, else expand it."""
    archive = _checked(file)
    x = as_images(_array(archive, file, room), options.channels)
    check_finite(x, "data.x")
    if x.dtype.kind == "b":
        x = x.view(np.uint8)
    found = None if options.reconstruct else _answers(archive, file)
    info = answers.describe("npz", len(x), x.shape[1:], native(x.dtype), found)
    return Dataset(info, ArrayImages(x), None if found is None else found.y)


def _checked(file: DataFile) -> Archive:
    archive = file.archive
    assert archive is not None
    names = set(archive.names)
    if _X not in names or names - {_X, _Y, _CLASSES} or (_CLASSES in names and _Y not in names):
        raise InvalidInput(
            "this npz does not hold the arrays of a data set",
            field="data",
            given=[name.removesuffix(".npy") for name in archive.names],
            accepted=_ACCEPTED,
        )
    return archive


def _header(archive: Archive, stream: IO[bytes], name: str) -> NpyHeader:
    field = f"data.{name.removesuffix('.npy')}"
    try:
        with refusing_damaged(name):
            header = read_header(cast("BinaryIO", stream))
    except UnsupportedMedia as error:
        error.field = field
        raise
    left = archive.size(name) - stream.tell()
    if header.nbytes != left:
        raise UnsupportedMedia(
            f"{'truncated' if left < header.nbytes else 'damaged'}: {header.dtype.name} "
            f"{header.shape} takes {header.nbytes} bytes, {left} are there",
            field=field,
        )
    check_dtype(header.dtype, field)
    return header


def _array(archive: Archive, file: DataFile, room: Room) -> NDArray[Any]:
    with archive.open(_X) as stream:
        header = _header(archive, stream, _X)
        place = archive.place(_X)
        if place is None or file.buffer is None:
            with refusing_damaged(_X):
                return as_array(header, expand(stream, header.nbytes, room, _X))
        start = place + stream.tell()
    with memoryview(file.buffer) as view, view[place : start + header.nbytes] as member:
        _check_sum(member, archive.checksum(_X))
    return as_array(header, file.buffer, start)


def _check_sum(data: memoryview, expected: int) -> None:
    found = 0
    for start in range(0, len(data), _CRC_CHUNK):
        found = zlib.crc32(data[start : start + _CRC_CHUNK], found)
    if found != expected:
        raise UnsupportedMedia(f"damaged: {_X} is not what its checksum says", field="data.x")


def _answers(archive: Archive, file: DataFile) -> Answers | None:
    if _Y not in archive.names:
        return None
    with archive.open(_Y) as stream:
        header = _header(archive, stream, _Y)
        check_answers(header.shape, file.limits)
        with refusing_damaged(_Y):
            y = as_array(header, bytearray(stream.read(header.nbytes)))
    return answers.from_array(y, _class_names(archive), file.limits)


def _class_names(archive: Archive) -> list[str] | None:
    if _CLASSES not in archive.names:
        return None
    with archive.open(_CLASSES) as stream, refusing_damaged(_CLASSES):
        names = read_array(cast("BinaryIO", stream), archive.size(_CLASSES), texts=True)
    if names.ndim != 1 or names.itemsize > 4 * _MAX_NAME:
        raise InvalidInput(
            "the names of the classes are texts",
            field="data.classes",
            given=f"{names.dtype} {names.shape}",
            accepted=f"an array of texts (K,), each of at most {_MAX_NAME} letters",
        )
    return [str(name) for name in names]


FORMAT = Format(
    name="npz",
    summary="an .npz with the arrays x and y, and perhaps classes, their names",
    options=("channels",),
    recognises=recognises,
    inspect=inspect,
    load=load,
)
