"""Bytes that must be expanded before they can be used: into memory, or into a file."""

from __future__ import annotations

import mmap
import shutil
import tempfile
from pathlib import Path
from typing import IO, Final

from core.errors import TooLarge, UnsupportedMedia
from core.nets.data.limits import Room
from core.nets.data.source import Buffer

_CHUNK: Final = 1 << 20


def expand(stream: IO[bytes], nbytes: int, room: Room, what: str) -> Buffer:
    """Read all that is left of a stream.

    Parameters
    ----------
    stream : file
        Gives expanded bytes.
    nbytes : int
        How many there must be.
    room : Room
        More than its memory goes into a file without a name, which is mapped.
    what : str
        Its name, for errors.

    Returns
    -------
    bytes-like
        Of ``nbytes`` bytes.

    Raises
    ------
    UnsupportedMedia
        If there are fewer or more.
    TooLarge
        If there is no room for them on the disk.
    """
    if nbytes <= room.memory:
        data = bytearray()
        while len(data) <= nbytes and (piece := stream.read(_CHUNK)):
            data += piece
        _check(len(data), nbytes, what)
        return data
    folder = room.scratch or Path(tempfile.gettempdir())
    free = shutil.disk_usage(folder).free
    if nbytes > free:
        raise TooLarge(
            f"there is no room to expand {what}",
            field="data",
            given=f"{nbytes} bytes",
            accepted=f"at most {free}, which are free in {folder}",
        )
    with tempfile.TemporaryFile(dir=folder) as file:
        written = 0
        while written <= nbytes and (piece := stream.read(_CHUNK)):
            written += file.write(piece)
        _check(written, nbytes, what)
        file.flush()
        # The map keeps the file alive, whose name is gone already.
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _check(found: int, nbytes: int, what: str) -> None:
    if found != nbytes:
        problem = "truncated" if found < nbytes else "damaged"
        many = found if found < nbytes else "more"
        raise UnsupportedMedia(
            f"{problem}: {what} should have {nbytes} bytes of data and has {many}", field="data"
        )
