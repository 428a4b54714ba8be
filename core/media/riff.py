"""RIFF, the chunked container of WAV and WebP (Microsoft and IBM, 1991)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from core.errors import UnsupportedMedia
from core.media.guard import file_size

STREAMED = 0xFFFFFFFF
"""The size that a program writes when it cannot seek back to state the true one."""

_MAX_CHUNKS = 4096


@dataclass(frozen=True)
class Chunk:
    """One chunk: its four-letter name, and where its ``size`` bytes of content start."""

    name: bytes
    start: int
    size: int


def chunks(file: BinaryIO) -> Iterator[Chunk]:
    """List the chunks of a RIFF file; reads eight bytes of each.

    Parameters
    ----------
    file : BinaryIO
        Seekable, with the 12 bytes of the RIFF header at its start.

    Yields
    ------
    Chunk
        In the order of the file. A size of ``STREAMED`` is replaced by all that is left.

    Raises
    ------
    UnsupportedMedia
        If a chunk runs past the end of the file, or there are thousands.
    """
    end = file_size(file)
    position = 12
    for _ in range(_MAX_CHUNKS):
        if position + 8 > end:
            return
        file.seek(position)
        name, size = struct.unpack("<4sI", file.read(8))
        position += 8
        if size == STREAMED:
            size = end - position
        if position + size > end:
            raise UnsupportedMedia(
                f"truncated: the chunk {name.decode('latin-1')!r} of {size} bytes "
                f"ends {position + size - end} bytes after the file"
            )
        yield Chunk(name, position, size)
        # Content is padded to an even length.
        position += size + size % 2
    raise UnsupportedMedia("the file has too many chunks", accepted=f"at most {_MAX_CHUNKS}")
