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

MAX_IN_SHARD: Final = 1 << 20
"""Chunks in a shard, whose places are read at once."""

COMPRESSORS: Final = ("zstd", "blosc")
"""Those that `core.tiles.codecs` holds to what the metadata says."""

SHARDING: Final = "sharding_indexed"
_BYTES: Final = "bytes"
_CHECKSUM: Final = "crc32c"
_CODECS: Final = (_BYTES, "transpose", *COMPRESSORS, _CHECKSUM, SHARDING)
# What may follow upon what: more than one compressor could hide what a chunk expands to.
_AFTER: Final = {
    "start": ("transpose", _BYTES, SHARDING),
    "transpose": ("transpose", _BYTES, SHARDING),
    _BYTES: (*COMPRESSORS, _CHECKSUM),
    **dict.fromkeys(COMPRESSORS, (_CHECKSUM,)),
    _CHECKSUM: (),
    SHARDING: (),
}
_ENDS: Final = (_BYTES, *COMPRESSORS, _CHECKSUM, SHARDING)


@dataclass(frozen=True)
class Header:
    """Shape and dtype of a chunked array, and the shape of what is read of it at once.

    Attributes
    ----------
    shape, dtype
        Of the array.
    chunks : tuple of int
        What is decoded at once.
    shards : tuple of int, optional
        What a file holds, where that are several chunks.
    """

    shape: tuple[int, ...]
    dtype: str
    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None = None


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
    chunks = _shape(document["chunk_grid"]["configuration"]["chunk_shape"])
    shards = None
    last = document["codecs"][-1]
    if last["name"] == SHARDING:
        shards, chunks = chunks, _shape(last["configuration"]["chunk_shape"])
        _check_shard(shards, chunks)
    return Header(_shape(document["shape"]), _dtype(document["data_type"]), chunks, shards)


def _header_2(document: Any) -> Header:
    if document["zarr_format"] != 2:
        raise _refused(METADATA_2, document["zarr_format"], 2)
    compressor = document["compressor"]
    if compressor is not None and compressor["id"] not in COMPRESSORS:
        raise _refused("compressor", compressor["id"], [None, *COMPRESSORS])
    if document.get("filters"):
        raise _refused("filters", document["filters"], None)
    return Header(
        _shape(document["shape"]),
        _dtype(np.dtype(document["dtype"]).name),
        _shape(document["chunks"]),
    )


def _check_codecs(codecs: Any, *, in_shard: bool = False) -> None:
    before = "start"
    for codec in codecs:
        name = codec["name"]
        if name not in _CODECS:
            raise _refused("codecs", name, _CODECS)
        if name not in _AFTER[before] or (in_shard and name == SHARDING):
            raise _refused("codecs", f"{name} after {before}", _AFTER[before])
        before = name
        if name == SHARDING:
            _check_codecs(codec["configuration"]["codecs"], in_shard=True)
            _check_index(codec["configuration"])
    if before not in _ENDS:
        raise _refused("codecs", f"{before} at the end", _ENDS)


def _check_index(how: Any) -> None:
    names = [codec["name"] for codec in how["index_codecs"]]
    if names not in ([_BYTES], [_BYTES, _CHECKSUM]):
        raise _refused("index_codecs", names, [_BYTES, _CHECKSUM])


def _check_shard(shard: tuple[int, ...], chunks: tuple[int, ...]) -> None:
    if len(shard) != len(chunks) or any(
        s < 1 or c < 1 or s % c for s, c in zip(shard, chunks, strict=True)
    ):
        raise _refused("chunk_shape", f"{chunks} in shards of {shard}", "what divides a shard")
    if math.prod(shard) // math.prod(chunks) > MAX_IN_SHARD:
        raise _refused("chunk_shape", chunks, f"at most {MAX_IN_SHARD} chunks in a shard")


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
