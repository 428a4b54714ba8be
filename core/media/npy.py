"""NumPy's .npy: one array, never a pickle."""

from __future__ import annotations

import io
import mmap
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from core.arrays import dtype_name
from core.errors import InvalidInput, UnsupportedMedia
from core.media.guard import file_size
from core.media.info import Decoded, Extra, MediaInfo
from core.media.types import NPY

ACCEPTED_DTYPES: Final = (
    "bool",
    *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
    *("float16", "float32", "float64", "complex64", "complex128"),
)

MAX_HEADER: Final = 10_000
"""Bytes of a header, of which NumPy writes 118 for an array of numbers; it reads as many."""

_CHUNK: Final = 1 << 16
_LENGTH_BYTES: Final = {(1, 0): 2, (2, 0): 4}
_LARGEST_CHARACTER: Final = 0x10FFFF
_SURROGATES: Final = (0xD800, 0xDFFF)


@dataclass(frozen=True)
class NpyHeader:
    """The header of an .npy: shape, order, the dtype as stored, and the bytes of data."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        """The size of the data in bytes."""
        return prod(self.shape) * self.dtype.itemsize

    def info(self, media_type: str) -> MediaInfo:
        """Return the facts as :class:`MediaInfo`."""
        return MediaInfo(media_type, self.shape, dtype_name(self.dtype))


def read_header(file: BinaryIO, *, texts: bool = False) -> NpyHeader:
    """Read the header of an .npy and leave ``file`` at the start of the data.

    Parameters
    ----------
    file : BinaryIO
        Positioned at the start of the .npy; need not be seekable.
    texts : bool
        Whether an array of texts is read; numbers are not, then.

    Returns
    -------
    NpyHeader

    Raises
    ------
    UnsupportedMedia
        If the dtype is not one of ``ACCEPTED_DTYPES``: objects (pickles), records, strings, dates.
    ValueError
        If the header is damaged (NumPy's own words).
    """
    version = npy_format.read_magic(file)
    if version not in _LENGTH_BYTES:
        # Version 3 only adds field names beyond ASCII, and records are not read.
        raise UnsupportedMedia(
            "this version of npy is not read", given=version, accepted="1.0, 2.0"
        )
    shape, fortran_order, dtype = _parsed(version, _bounded(file, _LENGTH_BYTES[version]))
    accepted = dtype.kind == "U" if texts else dtype_name(dtype) in ACCEPTED_DTYPES
    if not accepted or dtype.subdtype is not None:
        raise UnsupportedMedia(
            "an npy of this dtype is not read",
            given=str(dtype),
            accepted="texts" if texts else ACCEPTED_DTYPES,
        )
    if any(side < 0 for side in shape):
        raise UnsupportedMedia("damaged npy: a negative side", given=shape)
    return NpyHeader(shape, fortran_order, dtype)


def read_array(file: BinaryIO, size: int, *, texts: bool = False) -> NDArray[Any]:
    """Read an .npy that is a member of an archive, wholly.

    Parameters
    ----------
    file : BinaryIO
        At the start of the member.
    size : int
        Bytes of the member as the archive states them; they bound the memory.
    texts : bool
        As in `read_header`.

    Returns
    -------
    ndarray
        Of texts, each is one that can be written as UTF-8.

    Raises
    ------
    UnsupportedMedia
        As `read_header`; or the data is not as long as the header says, or no text.
    """
    header = read_header(file, texts=texts)
    left = size - file.tell()
    # Grows with what is really there.
    data = bytearray(file.read(header.nbytes)) if header.nbytes == left else bytearray()
    if len(data) != header.nbytes:
        raise UnsupportedMedia(
            f"damaged npy: {header.dtype} {header.shape} takes {header.nbytes} bytes, "
            f"the member has {left}"
        )
    array = as_array(header, data)
    if texts and array.size and array.itemsize:
        characters = np.ascontiguousarray(array).view(np.uint32)
        low, high = _SURROGATES
        halves = (characters >= low) & (characters <= high)
        if characters.max() > _LARGEST_CHARACTER or halves.any():
            raise UnsupportedMedia("damaged npy: a text holds what is no character")
    return array


def inspect_npy(file: BinaryIO, _max_pixels: int) -> MediaInfo:
    """Read the header of an .npy; see :func:`core.media.inspect`."""
    return _checked_header(file).info(NPY)


def decode_npy(file: BinaryIO, _max_pixels: int) -> Decoded:
    """Read an .npy; see :func:`core.media.decode`. A file on disk is memory-mapped."""
    header = _checked_header(file)
    data, offset = _data(file, header)
    return Decoded(as_array(header, data, offset), header.info(NPY))


def as_array(
    header: NpyHeader, data: bytes | bytearray | mmap.mmap, offset: int = 0
) -> NDArray[Any]:
    """Shape the data of an .npy, without a copy if its byte order is native.

    Parameters
    ----------
    header : NpyHeader
        What the data is.
    data : bytes-like
        Holds at least ``offset + header.nbytes`` bytes.
    offset : int
        Where the array starts.

    Returns
    -------
    ndarray
    """
    array: NDArray[Any] = np.ndarray(
        header.shape, header.dtype, data, offset, order="F" if header.fortran_order else "C"
    )
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def encode_npy(array: NDArray[Any], file: BinaryIO, _extra: Extra) -> None:
    """Write an .npy, C order and little-endian, in pieces; see :func:`core.media.encode`."""
    if dtype_name(array.dtype) not in ACCEPTED_DTYPES:
        raise InvalidInput(
            "an npy of this dtype is not written",
            field="output",
            given=str(array.dtype),
            accepted=ACCEPTED_DTYPES,
        )
    stored = array.dtype.newbyteorder("<")
    file.write(header_of(stored, array.shape))
    if array.flags.c_contiguous and array.dtype == stored:
        file.write(array.data)
        return
    pieces = np.nditer(
        array,
        flags=["external_loop", "buffered", "zerosize_ok"],
        op_dtypes=[stored],
        casting="equiv",
        buffersize=_CHUNK,
        order="C",
    )
    for piece in pieces:
        file.write(np.asarray(piece).tobytes())


@lru_cache(maxsize=256)
def _parsed(version: tuple[int, int], header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    # NumPy has Python parse it, which takes longer than all else of a small file; many are equal.
    read = {
        (1, 0): npy_format.read_array_header_1_0,
        (2, 0): npy_format.read_array_header_2_0,
    }[version]
    return read(io.BytesIO(header))


@lru_cache(maxsize=256)
def header_of(stored: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """Return what an .npy begins with, before the values in C order.

    Examples
    --------
    >>> read_header(io.BytesIO(header_of(np.dtype("<f4"), (2, 3)))).shape
    (2, 3)
    """
    # As `_parsed`.
    file = io.BytesIO()
    described = {"descr": npy_format.dtype_to_descr(stored), "fortran_order": False, "shape": shape}
    npy_format.write_array_header_1_0(file, described)
    return file.getvalue()


def _bounded(file: BinaryIO, length_bytes: int) -> bytes:
    """Return the header with its length before it; NumPy would read one of 4 GB to measure it."""
    length = file.read(length_bytes)
    if int.from_bytes(length, "little") > MAX_HEADER:
        raise UnsupportedMedia(
            "the header of this npy is too long",
            given=f"{int.from_bytes(length, 'little')} bytes",
            accepted=f"at most {MAX_HEADER} bytes",
        )
    return length + file.read(int.from_bytes(length, "little"))


def _checked_header(file: BinaryIO) -> NpyHeader:
    size = file_size(file)
    header = read_header(file)
    left = size - file.tell()
    if header.nbytes != left:
        raise UnsupportedMedia(
            f"{'truncated' if left < header.nbytes else 'damaged'} npy: {header.dtype.name} "
            f"{header.shape} takes {header.nbytes} bytes, the file has {left}"
        )
    return header


def _data(file: BinaryIO, header: NpyHeader) -> tuple[bytes | mmap.mmap, int]:
    start = file.tell()
    if isinstance(file, io.BufferedReader):
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), start
    return file.read(header.nbytes), 0
