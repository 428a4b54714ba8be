"""NumPy's .npz: a ZIP archive of .npy members.

One array is what convq decodes; several are a data set (`core.nets.data`).
"""

from __future__ import annotations

import zipfile
from typing import IO, Any, BinaryIO, Final, cast

from numpy.typing import NDArray

from core.errors import UnsupportedMedia
from core.media.guard import HeaderReader, check_values
from core.media.info import Decoded, Extra, MediaInfo
from core.media.npy import NpyHeader, as_array, encode_npy, read_header
from core.media.types import NPZ

_MEMBER: Final = "arr_0.npy"
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Deflate's best is 1032 to 1; what claims more is lying.
_MAX_RATIO: Final = 1100
_MAX_LISTED: Final = 10
_CHUNK: Final = 1 << 20


def inspect_npz(file: BinaryIO, max_pixels: int) -> MediaInfo:
    """Read the directory and the array's header; see :func:`core.media.inspect`.

    Several arrays have no one shape.
    """
    with zipfile.ZipFile(cast("BinaryIO", HeaderReader(file))) as archive:
        if _holds_several_arrays(archive):
            return MediaInfo(NPZ)
        member = _only_member(archive)
        with archive.open(member) as stream:
            return _checked_header(stream, member, max_pixels).info(NPZ)


def decode_npz(file: BinaryIO, max_pixels: int) -> Decoded:
    """Read the array of an .npz; see :func:`core.media.decode`."""
    with zipfile.ZipFile(file) as archive:
        member = _only_member(archive)
        with archive.open(member) as stream:
            header = _checked_header(stream, member, max_pixels)
            # Grows with what is really there, whatever the header declares.
            data = bytearray()
            while piece := stream.read(_CHUNK):
                data += piece
    if len(data) != header.nbytes:
        raise UnsupportedMedia(
            f"truncated {NPZ}: the array takes {header.nbytes} bytes, {len(data)} are there"
        )
    return Decoded(as_array(header, data), header.info(NPZ))


def encode_npz(array: NDArray[Any], file: BinaryIO, extra: Extra) -> None:
    """Write an .npz with the one member ``arr_0``; see :func:`core.media.encode`."""
    # A member without a date, so that the same array gives the same bytes.
    member = zipfile.ZipInfo(_MEMBER)
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
        archive.open(member, "w", force_zip64=True) as stream,
    ):
        encode_npy(array, cast("BinaryIO", stream), extra)


def _holds_several_arrays(archive: zipfile.ZipFile) -> bool:
    names = archive.namelist()
    return len(names) > 1 and all(name.endswith(".npy") for name in names)


def _only_member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = archive.infolist()
    names = [member.filename for member in members]
    if len(members) != 1 or not names[0].endswith(".npy"):
        more = "" if len(names) <= _MAX_LISTED else f" and {len(names) - _MAX_LISTED} more"
        raise UnsupportedMedia(
            f"an npz as an input must hold exactly one array; this one holds {len(names)} members",
            given=", ".join(names[:_MAX_LISTED]) + more,
            accepted="one member that ends in .npy; send several arrays as several inputs",
        )
    member = members[0]
    if member.compress_type not in _METHODS or member.flag_bits & 1:
        raise UnsupportedMedia(
            "this npz is compressed in a way that NumPy does not write, or encrypted",
            given=f"method {member.compress_type}",
            accepted="stored or deflated",
        )
    if member.file_size > _MAX_RATIO * max(member.compress_size, 1):
        raise UnsupportedMedia(
            f"damaged {NPZ}: {member.compress_size} bytes cannot expand to {member.file_size}"
        )
    return member


def _checked_header(stream: IO[bytes], member: zipfile.ZipInfo, max_pixels: int) -> NpyHeader:
    header = read_header(cast("BinaryIO", stream))
    check_values(header.shape, max_pixels, what="values")
    left = member.file_size - stream.tell()
    if header.nbytes != left:
        raise UnsupportedMedia(
            f"damaged {NPZ}: {header.dtype.name} {header.shape} takes {header.nbytes} bytes, "
            f"the member has {left}"
        )
    return header
