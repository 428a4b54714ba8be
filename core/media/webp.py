"""The headers of WebP, read without the decoder.

Pillow's WebP decoder reads the whole file and makes room for its canvas before it tells the size.
The layout is that of RFC 9649.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from core.errors import UnsupportedMedia
from core.media.riff import chunks
from core.media.types import WEBP

_ALPHA = 0x10
_ANIMATION = 0x02
_MAX_EXIF = 1 << 20


@dataclass(frozen=True)
class WebpHeader:
    """Canvas size in pixels, whether it has alpha, whether it moves, and its Exif block."""

    width: int
    height: int
    alpha: bool
    animated: bool
    exif: bytes | None


def read_webp_header(file: BinaryIO) -> WebpHeader:
    """Read size, alpha, animation and Exif of a WebP.

    Parameters
    ----------
    file : BinaryIO
        Seekable, a RIFF file of the form WEBP.

    Returns
    -------
    WebpHeader

    Raises
    ------
    UnsupportedMedia
        If there is no picture chunk, or it is damaged.
    """
    listed = list(chunks(file))
    if not listed:
        raise UnsupportedMedia(f"truncated {WEBP}: it has no chunks")
    file.seek(listed[0].start)
    head = file.read(min(listed[0].size, 10))
    exif = None
    for chunk in listed:
        if chunk.name == b"EXIF":
            file.seek(chunk.start)
            exif = file.read(min(chunk.size, _MAX_EXIF))
            break
    match listed[0].name:
        case b"VP8X" if len(head) == 10:
            flags = head[0]
            return WebpHeader(
                1 + int.from_bytes(head[4:7], "little"),
                1 + int.from_bytes(head[7:10], "little"),
                bool(flags & _ALPHA),
                bool(flags & _ANIMATION),
                exif,
            )
        case b"VP8L" if len(head) >= 5 and head[0] == 0x2F:
            bits = int.from_bytes(head[1:5], "little")
            width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
            return WebpHeader(width, height, bool(bits >> 28 & 1), animated=False, exif=exif)
        case b"VP8 " if head[3:6] == b"\x9d\x01\x2a" and len(head) == 10:
            # The upper two bits of each side are a scaling hint for displays.
            width = int.from_bytes(head[6:8], "little") & 0x3FFF
            height = int.from_bytes(head[8:10], "little") & 0x3FFF
            return WebpHeader(width, height, alpha=False, animated=False, exif=exif)
    raise UnsupportedMedia(f"damaged {WEBP}: its first chunk is no picture header")
