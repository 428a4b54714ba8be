"""Decompression of chunks that gives what the metadata of their array says, and nothing else.

The codecs of zarr believe a chunk. 128 KiB of Zstandard become gigabytes, and a Blosc header that
says that more bytes follow than do gives away what lies behind them in the memory of the worker. So
arrays are read with codecs of our own, which know how long a chunk is before they decode it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
from numcodecs import blosc, zstd
from numcodecs.abc import Codec
from numcodecs.registry import register_codec as register_codec_2
from numpy.typing import NDArray
from zarr.abc.codec import BytesBytesCodec
from zarr.registry import register_codec

from core.tiles.header import COMPRESSORS, SHARDING

_NAME: Final = "convq.exact"


def exact(document: dict[str, Any], itemsize: int) -> dict[str, Any]:
    """Return the metadata of an array with our codecs in place of those that decompress.

    Parameters
    ----------
    document : dict
        Metadata that `core.tiles.header.read_header` has accepted, of version 2 or 3.
    itemsize : int
        Bytes of a value.

    Returns
    -------
    dict

    Examples
    --------
    >>> metadata = {"zarr_format": 2, "chunks": [2, 3], "compressor": {"id": "zstd", "level": 1}}
    >>> exact(metadata, 4)["compressor"]
    {'id': 'convq.exact', 'compressor': 'zstd', 'size': 24}
    """
    if document["zarr_format"] == 2:
        if document["compressor"] is None:
            return document
        size = math.prod(document["chunks"]) * itemsize
        about = {"compressor": document["compressor"]["id"], "size": size}
        return document | {"compressor": {"id": _NAME} | about}
    chunk = document["chunk_grid"]["configuration"]["chunk_shape"]
    return document | {"codecs": _exact(document["codecs"], chunk, itemsize)}


def _exact(codecs: list[dict[str, Any]], chunk: list[int], itemsize: int) -> list[dict[str, Any]]:
    made = []
    for codec in codecs:
        name = codec["name"]
        if name == SHARDING:
            how = codec["configuration"]
            inner = {"codecs": _exact(how["codecs"], how["chunk_shape"], itemsize)}
            made.append(codec | {"configuration": how | inner})
        elif name in COMPRESSORS:
            about = {"compressor": name, "size": math.prod(chunk) * itemsize}
            made.append({"name": _NAME, "configuration": about})
        else:
            made.append(codec)
    return made


def decompress(compressor: str, data: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return what ``data`` decompresses to.

    Parameters
    ----------
    compressor : {"zstd", "blosc"}
    data : ndarray of uint8
    size : int
        Bytes that it must decompress to.

    Raises
    ------
    ValueError, RuntimeError
        It does not.

    References
    ----------
    RFC 8878, section 3.1.1.1; README_CHUNK_FORMAT of C-Blosc 1.21.

    Examples
    --------
    >>> packed = np.frombuffer(zstd.compress(b"abab"), np.uint8)
    >>> decompress("zstd", packed, 4).tobytes()
    b'abab'
    >>> decompress("zstd", packed, 3)
    Traceback (most recent call last):
        ...
    ValueError: a chunk of 4 bytes in place of 3
    """
    read, expand = _READERS[compressor]
    told = read(data.tobytes()[:_LONGEST_HEAD], data.nbytes)
    if told not in (None, size):
        raise ValueError(f"a chunk of {told} bytes in place of {size}")
    out = np.empty(size, np.uint8)
    # What is longer than it says does not fit either.
    expand(data, out)
    return out


def _of_zstd(head: bytes, _length: int) -> int | None:
    """Return the size in the header of a frame; None where there is none."""
    if head[:4] != b"\x28\xb5\x2f\xfd":
        raise ValueError("no frame of Zstandard")
    flags = head[4]
    is_single = flags >> 5 & 1
    width = (is_single, 2, 4, 8)[flags >> 6]
    at = 5 + (1 - is_single) + (0, 1, 2, 4)[flags & 3]
    told = int.from_bytes(head[at : at + width], "little")
    return None if width == 0 else told + (256 if width == 2 else 0)


def _of_blosc(head: bytes, length: int) -> int:
    """Return the size in the header of a chunk, after a look whether all of it is there."""
    if len(head) < _BLOSC_HEAD or int.from_bytes(head[12:16], "little") != length:
        raise ValueError("a chunk of Blosc that is not as long as it says")
    return int.from_bytes(head[4:8], "little")


_LONGEST_HEAD: Final = 18
_BLOSC_HEAD: Final = 16
_READERS: Final[dict[str, tuple[Callable[[bytes, int], int | None], Callable[..., Any]]]] = {
    "zstd": (_of_zstd, zstd.decompress),
    "blosc": (_of_blosc, blosc.decompress),
}


@dataclass(frozen=True)
class _Exact(BytesBytesCodec):
    """The codec in arrays of version 3."""

    compressor: str
    size: int
    is_fixed_size = False

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        return cls(**data["configuration"])

    def to_dict(self) -> dict[str, Any]:
        about = {"compressor": self.compressor, "size": self.size}
        return {"name": _NAME, "configuration": about}

    async def _decode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        found = await asyncio.to_thread(
            decompress, self.compressor, chunk_bytes.as_numpy_array(), self.size
        )
        return chunk_spec.prototype.buffer.from_array_like(found)

    async def _encode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        raise NotImplementedError

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
        raise NotImplementedError


class _Exact2(Codec):  # type: ignore[misc]
    """The codec in arrays of version 2."""

    codec_id: ClassVar[str] = _NAME

    def __init__(self, compressor: str, size: int) -> None:
        self.compressor = compressor
        self.size = size

    def encode(self, buf: Any) -> Any:
        raise NotImplementedError

    def decode(self, buf: Any, out: Any = None) -> Any:
        assert out is None
        return decompress(self.compressor, np.frombuffer(buf, np.uint8), self.size)


register_codec(_NAME, _Exact)
register_codec_2(_Exact2)
