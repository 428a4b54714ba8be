"""What a JPEG can ask for beyond its size in pixels: passes over all of it."""

from __future__ import annotations

from typing import BinaryIO, Final

from core.errors import TooLarge

MAX_SCANS: Final = 128
"""Encoders write ten at most; the ends of other segments may look like a few more."""

_START_OF_SCAN: Final = b"\xff\xda"
_CHUNK: Final = 1 << 20


def check_scans(file: BinaryIO) -> None:
    """Refuse a progressive JPEG that is refined without end.

    Each scan goes over all pixels, and may take no more than some thirty bytes of the file: one of
    a megabyte could keep a decoder busy for hours.

    Parameters
    ----------
    file : BinaryIO
        Read from its start, in constant memory.

    Raises
    ------
    TooLarge
        If it has more than ``MAX_SCANS`` scans.
    """
    file.seek(0)
    scans, end = 0, b""
    while piece := file.read(_CHUNK):
        # The marker cannot occur within the coded data, but may lie across two pieces.
        scans += (end + piece).count(_START_OF_SCAN)
        end = piece[-1:]
        if scans > MAX_SCANS:
            raise TooLarge(
                "this image/jpeg is refined too often",
                given=f"more than {MAX_SCANS} scans",
                accepted=f"at most {MAX_SCANS} scans",
            )
