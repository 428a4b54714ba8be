"""The one place that knows every format: inspect, decode and encode by media type."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, TypeAlias

from numpy.typing import NDArray

from core.errors import InvalidInput, UnsupportedMedia
from core.media.guard import MAX_PIXELS, refusing_damaged
from core.media.info import Decoded, Extra, MediaInfo
from core.media.npy import decode_npy, encode_npy, inspect_npy
from core.media.npz import decode_npz, encode_npz, inspect_npz
from core.media.picture_writing import encode_picture
from core.media.pictures import decode_picture, inspect_picture
from core.media.types import DECODABLE, NPY, NPZ, PICTURES, SNIFF_BYTES, WAV, sniff
from core.media.wav import decode_wav, encode_wav, inspect_wav

Source: TypeAlias = bytes | os.PathLike[str] | BinaryIO


class _Codec(NamedTuple):
    inspect: Callable[[BinaryIO, int], MediaInfo]
    decode: Callable[[BinaryIO, int], Decoded]
    encode: Callable[[NDArray[Any], BinaryIO, Extra], None]


def _picture_codec(media_type: str) -> _Codec:
    return _Codec(
        partial(inspect_picture, media_type=media_type),
        partial(decode_picture, media_type=media_type),
        partial(encode_picture, media_type=media_type),
    )


_CODECS: Final[dict[str, _Codec]] = {
    **{media_type: _picture_codec(media_type) for media_type in PICTURES},
    NPY: _Codec(inspect_npy, decode_npy, encode_npy),
    NPZ: _Codec(inspect_npz, decode_npz, encode_npz),
    WAV: _Codec(inspect_wav, decode_wav, encode_wav),
}


def inspect(source: Source, *, max_pixels: int = MAX_PIXELS) -> MediaInfo:
    """Tell what a file is from its content, reading headers only.

    Memory does not grow with the file: at most 16 MiB of headers are read.

    Parameters
    ----------
    source : bytes, path or seekable binary file
        A file object is read from its start and stays open.
    max_pixels : int
        Limit on H * W of a picture, and on the number of values of an npz.

    Returns
    -------
    MediaInfo
        ``shape`` and ``dtype`` are those that :func:`decode` gives; None if the content is of no
        format that convq decodes, or is an npz of several arrays.

    Raises
    ------
    UnsupportedMedia
        If the format is known but the file is damaged, or is a kind that is not read (several
        pages, 16-bit colour, objects in an npy, compressed sound).
    TooLarge
        If ``max_pixels`` is exceeded.

    Examples
    --------
    >>> import numpy as np
    >>> inspect(encode(np.zeros((2, 3), np.uint8), "image/png"))
    MediaInfo(media_type='image/png', shape=(2, 3), dtype='uint8', extra={})
    >>> inspect(b"hello").shape is None
    True
    """
    with _opened(source) as file:
        media_type = _sniffed(file)
        if media_type not in _CODECS:
            return MediaInfo(media_type)
        with refusing_damaged(media_type):
            return _CODECS[media_type].inspect(file, max_pixels)


def decode(
    source: Source, media_type: str | None = None, *, max_pixels: int = MAX_PIXELS
) -> Decoded:
    """Turn a file into an array.

    Parameters
    ----------
    source : bytes, path or seekable binary file
        An npy on disk is memory-mapped, not read.
    media_type : str, optional
        What the file should be; another content is an error. None takes what it is.
    max_pixels : int
        Limit on H * W of a picture, and on the number of values of an npz, checked before
        anything is decoded.

    Returns
    -------
    Decoded
        ``array`` and its :class:`MediaInfo`. Pictures are (H, W) or (H, W, C), upright by their
        Exif orientation: uint8, uint16 (16-bit grey), int32, uint32 or float32 (TIFF). 1-bit
        becomes 0 and 255; palettes, CMYK and YCbCr become RGB; a transparent colour becomes an
        alpha channel. An MPO's first picture is the JPEG that viewers show. Sound is (frames,) or
        (frames, channels) with the values of the file; 24 bits are the upper bits of an int32.

    Raises
    ------
    UnsupportedMedia
        As :func:`inspect`, and if the pixels or samples are damaged or missing, an npz holds
        several arrays, or the content is of no format that convq decodes.
    TooLarge
        If ``max_pixels`` is exceeded.

    Examples
    --------
    >>> import numpy as np
    >>> decode(encode(np.arange(3), "application/x-npy")).array.tolist()
    [0, 1, 2]
    """
    with _opened(source) as file:
        found = _sniffed(file)
        if media_type is not None and found != media_type:
            raise UnsupportedMedia(
                "the content is not of the stated media type", given=found, accepted=media_type
            )
        if found not in _CODECS:
            raise UnsupportedMedia(
                "this is no picture, array or sound that convq reads",
                given=found,
                accepted=DECODABLE,
            )
        with refusing_damaged(found):
            return _CODECS[found].decode(file, max_pixels)


def encode(array: NDArray[Any], media_type: str, *, extra: Extra | None = None) -> bytes:
    """Turn an array into a file's bytes; the same array always gives the same bytes.

    Parameters
    ----------
    array : ndarray
        As the format holds it; :func:`to_range` makes it so.
    media_type : str
        One of ``DECODABLE``. JPEG has quality 95 without chroma subsampling; all others are
        lossless.
    extra : Extra, optional
        What the input's :class:`MediaInfo` carried. A WAV needs ``sample_rate`` (Hz), and writes
        an int32 array with 24 bits, rounded, if ``bits_per_sample`` says so. Pictures keep an
        ``icc_profile`` that fits their channels. What a format has no place for is left out.

    Returns
    -------
    bytes

    Raises
    ------
    InvalidInput
        Names ``output``: if the format cannot hold the array (says what it holds), or is not
        written.

    Examples
    --------
    >>> import numpy as np
    >>> encode(np.zeros((4, 4), np.uint8), "image/png")[1:4]
    b'PNG'
    """
    file = io.BytesIO()
    write(array, file, media_type, extra=extra)
    return file.getvalue()


def write(
    array: NDArray[Any], file: BinaryIO, media_type: str, *, extra: Extra | None = None
) -> None:
    """Write what :func:`encode` returns to a file; an npy goes in pieces, without a copy.

    Parameters
    ----------
    array, media_type, extra
        See :func:`encode`.
    file : BinaryIO
        Writable; seekable but for npy and WAV.

    Raises
    ------
    InvalidInput
        As :func:`encode`.

    Examples
    --------
    >>> import io
    >>> import numpy as np
    >>> file = io.BytesIO()
    >>> write(np.zeros(2), file, "application/x-npy")
    >>> file.tell()
    144
    """
    if media_type not in _CODECS:
        raise InvalidInput(
            "this format is not written", field="output", given=media_type, accepted=DECODABLE
        )
    _CODECS[media_type].encode(array, file, extra or Extra())


@contextmanager
def _opened(source: Source) -> Iterator[BinaryIO]:
    if isinstance(source, bytes):
        yield io.BytesIO(source)
    elif isinstance(source, os.PathLike):
        with Path(source).open("rb") as file:
            yield file
    else:
        yield source


def _sniffed(file: BinaryIO) -> str:
    file.seek(0)
    media_type = sniff(file.read(SNIFF_BYTES))
    file.seek(0)
    return media_type
