"""Reading what strangers send: one kind of error, bounded headers, stated limits."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import BinaryIO, Final

from core.errors import ConvqError, TooLarge, UnsupportedMedia
from core.settings import Settings

MAX_PIXELS: Final[int] = Settings.model_fields["max_pixels"].default
"""The limit where a caller states none: the default of the setting ``max_pixels``."""

HEADER_LIMIT: Final = 16 << 20
"""Bytes that a file's headers may take. Decoders keep headers in memory, so a file could
otherwise make them as large as itself."""


@contextmanager
def refusing_damaged(media_type: str) -> Iterator[None]:
    """Turn whatever a decoder raises into :class:`~core.errors.UnsupportedMedia`.

    Parameters
    ----------
    media_type : str
        Named in the message.

    Raises
    ------
    UnsupportedMedia
        For any exception in the block that is not convq's own.
    """
    try:
        yield
    except ConvqError:
        raise
    except Exception as error:  # Broken files raise a dozen types, IndexError too.
        reason = str(error) or type(error).__name__
        raise UnsupportedMedia(f"this {media_type} cannot be read: {reason}") from error


def check_values(shape: tuple[int, ...], max_pixels: int, *, what: str) -> None:
    """Refuse an array that would be too large, before it is decoded.

    Parameters
    ----------
    shape : tuple of int
        Whose product is limited: (H, W) of a picture, all axes of other arrays.
    max_pixels : int
        The limit.
    what : str
        What the product counts, for the message: ``"pixels"`` or ``"values"``.

    Raises
    ------
    TooLarge
        If the product exceeds ``max_pixels``.

    Examples
    --------
    >>> check_values((2, 3), 6, what="pixels")
    """
    if prod(shape) > max_pixels:
        raise TooLarge(
            f"too many {what}",
            given=f"{' x '.join(map(str, shape))} = {prod(shape)}",
            accepted=f"at most {max_pixels}",
        )


def file_size(file: BinaryIO) -> int:
    """Return the length of a seekable file in bytes; leaves it positioned at the start."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return size


class HeaderReader(io.RawIOBase):
    """A view of a seekable file from which only so many bytes can be read in all.

    Parameters
    ----------
    file : BinaryIO
        Seekable; it stays open when the view is closed.
    limit : int
        In bytes.
    """

    def __init__(self, file: BinaryIO, limit: int = HEADER_LIMIT) -> None:
        self._file = file
        self._limit: int | None = limit
        self._read = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the file's position."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the file's position."""
        return self._file.seek(offset, whence)

    def lift(self) -> None:
        """Let everything be read from now on: the headers were."""
        self._limit = None

    def read(self, size: int | None = -1) -> bytes:
        """Read like the file; past the limit, raise UnsupportedMedia."""
        if self._limit is None:
            return self._file.read(-1 if size is None else size)
        left = self._limit - self._read + 1
        wanted = left if size is None or size < 0 else min(size, left)
        data = self._file.read(wanted)
        self._read += len(data)
        if self._read > self._limit:
            raise UnsupportedMedia(
                "the file's headers are too long", accepted=f"at most {self._limit} bytes"
            )
        return data
