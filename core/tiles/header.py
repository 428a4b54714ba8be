"""What the metadata of a Zarr array says, and which arrays are read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from core import strict_json
from core.errors import ConvqError, InvalidInput, UnsupportedMedia
from core.media.npy import ACCEPTED_DTYPES
from core.tiles.listing import METADATA, METADATA_2

_MOST_AXES: Final = 32
MAX_CHUNK: Final = 256 << 20
"""Bytes of a chunk, which is held in memory as a whole."""

MAX_ARRAY: Final = 1 << 50
"""Bytes of an array, of which most chunks may be missing."""

# They decode to what their headers say, and nothing in them is executed.
_CODECS: Final = ("bytes", "transpose", "zstd", "blosc", "crc32c", "sharding_indexed")
_COMPRESSORS_2: Final = ("zstd", "blosc")


@dataclass(frozen=True)
class Header:
    """Shape and dtype of a chunked array, and the shape of what is read of it at once."""

    shape: tuple[int, ...]
    dtype: str
    chunks: tuple[int, ...]


def read_header(files: Mapping[str, str], read: Callable[[str], bytes]) -> Header:
    """Return what the metadata of a listed array says.

    Parameters
    ----------
    files : mapping of str to str
        The listing: digests by path.
    read : callable
        ``read(digest)`` gives the bytes of a small file.

    Raises
    ------
    UnsupportedMedia
        It is no array, or one that is not read: the error says what is accepted.

    References
    ----------
    Zarr core specification, version 3 (2023), and storage specification, version 2.
    """
    path = METADATA if METADATA in files else METADATA_2
    if path not in files:
        raise UnsupportedMedia(
            "the files hold no Zarr array",
            field="files",
            given=sorted(files)[:5],
            accepted=f"{METADATA} (version 3) or {METADATA_2} (version 2) at the top",
        )
    try:
        document = strict_json.parse(read(files[path]))
    except InvalidInput as error:
        raise _refused(path, error.message, "JSON") from None
    try:
        header = _header_3(document) if path == METADATA else _header_2(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, ConvqError):
            raise
        raise _refused(path, repr(error), "the metadata of an array as Zarr writes it") from None
    return _checked(header, path)


def _header_3(document: Any) -> Header:
    if document["zarr_format"] != 3 or document["node_type"] != "array":
        raise _refused(METADATA, document.get("node_type"), "an array of Zarr version 3")
    if document["chunk_grid"]["name"] != "regular":
        raise _refused("chunk_grid", document["chunk_grid"]["name"], "regular")
    _check_codecs(document["codecs"])
    chunks = document["chunk_grid"]["configuration"]["chunk_shape"]
    for codec in document["codecs"]:
        if codec["name"] == "sharding_indexed":
            chunks = codec["configuration"]["chunk_shape"]
    return Header(_shape(document["shape"]), _dtype(document["data_type"]), _shape(chunks))


def _header_2(document: Any) -> Header:
    if document["zarr_format"] != 2:
        raise _refused(METADATA_2, document["zarr_format"], 2)
    compressor = document["compressor"]
    if compressor is not None and compressor["id"] not in _COMPRESSORS_2:
        raise _refused("compressor", compressor["id"], [None, *_COMPRESSORS_2])
    if document.get("filters"):
        raise _refused("filters", document["filters"], None)
    return Header(
        _shape(document["shape"]),
        _dtype(np.dtype(document["dtype"]).name),
        _shape(document["chunks"]),
    )


def _check_codecs(codecs: Any) -> None:
    for codec in codecs:
        if codec["name"] not in _CODECS:
            raise _refused("codecs", codec["name"], _CODECS)
        configuration = codec.get("configuration") or {}
        for name in ("codecs", "index_codecs"):
            _check_codecs(configuration.get(name, ()))


def _checked(header: Header, path: str) -> Header:
    sizes = (*header.shape, *header.chunks)
    itemsize = np.dtype(header.dtype).itemsize
    if not 1 <= len(header.shape) <= _MOST_AXES or len(header.shape) != len(header.chunks):
        raise _refused(path, header.shape, f"1 to {_MOST_AXES} axes, and chunks of as many")
    if min(sizes) < 1 or math.prod(header.shape) * itemsize > MAX_ARRAY:
        raise _refused(path, header.shape, f"at least one value, at most {MAX_ARRAY} bytes")
    if math.prod(header.chunks) * itemsize > MAX_CHUNK:
        raise _refused(
            path, f"chunks of shape {header.chunks}", f"chunks of at most {MAX_CHUNK} bytes"
        )
    return header


def _shape(given: Any) -> tuple[int, ...]:
    if not isinstance(given, list) or any(type(side) is not int for side in given):
        raise _refused("shape", given, "whole numbers")
    return tuple(given)


def _dtype(name: Any) -> str:
    if name not in ACCEPTED_DTYPES:
        raise _refused("data_type", name, ACCEPTED_DTYPES)
    return str(name)


def _refused(field: str, given: Any, accepted: Any) -> UnsupportedMedia:
    return UnsupportedMedia(
        "a Zarr array of this sort is not read", field=field, given=given, accepted=accepted
    )
