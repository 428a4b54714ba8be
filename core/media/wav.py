"""WAV: PCM of 8, 16, 24 and 32 bits, and floats of 32 and 64."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidInput, UnsupportedMedia
from core.media.guard import file_size
from core.media.info import Decoded, Extra, MediaInfo
from core.media.riff import chunks
from core.media.types import WAV

_PCM: Final = 1
_FLOAT: Final = 3
_EXTENSIBLE: Final = 0xFFFE
# An extensible header names its format by a GUID: two bytes of format, then these.
_GUID_TAIL: Final = bytes.fromhex("000000001000800000aa00389b71")

_DTYPES: Final = {
    (_PCM, 8): "uint8",
    (_PCM, 16): "int16",
    (_PCM, 24): "int32",
    (_PCM, 32): "int32",
    (_FLOAT, 32): "float32",
    (_FLOAT, 64): "float64",
}
_ACCEPTED: Final = "PCM of 8, 16, 24 or 32 bits, or float of 32 or 64"
_MAX_BYTES: Final = (1 << 32) - 1024


@dataclass(frozen=True)
class _Layout:
    dtype: str
    bits: int
    channels: int
    sample_rate: int
    start: int
    frames: int

    def info(self) -> MediaInfo:
        shape = (self.frames,) if self.channels == 1 else (self.frames, self.channels)
        extra = Extra(sample_rate=self.sample_rate, bits_per_sample=self.bits)
        return MediaInfo(WAV, shape, self.dtype, extra)


def inspect_wav(file: BinaryIO, _max_pixels: int) -> MediaInfo:
    """Read the headers of a WAV; see :func:`core.media.inspect`."""
    return _layout(file).info()


def decode_wav(file: BinaryIO, _max_pixels: int) -> Decoded:
    """Read a WAV; see :func:`core.media.decode`.

    Samples keep their values, but for 24 bits: these become the upper 24 bits of an int32, so
    that full scale stays full scale.
    """
    layout = _layout(file)
    info = layout.info()
    file.seek(layout.start)
    data = file.read(layout.frames * layout.channels * layout.bits // 8)
    if layout.bits == 24:
        samples = np.zeros((len(data) // 3, 4), np.uint8)
        samples[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        array = samples.view("<i4")
    else:
        array = np.frombuffer(data, np.dtype(layout.dtype).newbyteorder("<"))
    return Decoded(array.astype(layout.dtype, copy=False).reshape(info.shape or ()), info)


def encode_wav(array: NDArray[Any], file: BinaryIO, extra: Extra) -> None:
    """Write a WAV; see :func:`core.media.encode`."""
    if array.ndim not in (1, 2) or str(array.dtype) not in _DTYPES.values():
        raise InvalidInput(
            "a WAV cannot hold this array; use npy",
            field="output",
            given=f"{array.dtype} {array.shape}",
            accepted="uint8, int16, int32, float32 or float64 of shape (frames,) "
            "or (frames, channels)",
        )
    channels = 1 if array.ndim == 1 else array.shape[1]
    if "sample_rate" not in extra:
        raise InvalidInput(
            "a WAV needs a sample rate, and the input has none; use npy", field="output", given=WAV
        )
    if not 1 <= channels <= 0xFFFF or array.nbytes > _MAX_BYTES:
        raise InvalidInput(
            "a WAV cannot hold this array; use npy",
            field="output",
            given=f"{array.shape}, {array.nbytes} bytes",
            accepted=f"1 to 65535 channels and at most {_MAX_BYTES} bytes",
        )
    is_24 = array.dtype == np.int32 and extra.get("bits_per_sample") == 24
    bits = 24 if is_24 else array.dtype.itemsize * 8
    data = _to_24_bits(array) if is_24 else array.astype(array.dtype.newbyteorder("<")).tobytes()
    tag = _FLOAT if array.dtype.kind == "f" else _PCM
    frame = channels * bits // 8
    rate = extra["sample_rate"]
    header = struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits)
    if tag == _FLOAT:
        # Every format but PCM has the size of its extension, here 0, and a count of frames.
        header += struct.pack("<H", 0)
        body = _chunk(b"fmt ", header) + _chunk(b"fact", struct.pack("<I", len(array)))
    else:
        body = _chunk(b"fmt ", header)
    pad = len(data) % 2
    file.write(b"RIFF" + struct.pack("<I", 4 + len(body) + 8 + len(data) + pad) + b"WAVE" + body)
    file.write(b"data" + struct.pack("<I", len(data)))
    file.write(data)
    file.write(b"\0" * pad)


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content


def _to_24_bits(array: NDArray[np.int32]) -> bytes:
    # Round the lower 8 bits away; the largest values would round up past full scale.
    rounded = np.minimum(array.astype(np.int64) + 0x80, 0x7FFFFFFF).astype("<i4")
    return rounded.reshape(-1, 1).view(np.uint8)[:, 1:].tobytes()


def _layout(file: BinaryIO) -> _Layout:
    file_size(file)
    container = file.read(4)
    if container != b"RIFF":
        raise UnsupportedMedia(
            f"this kind of {WAV} is not read", given=container.decode("latin-1"), accepted="RIFF"
        )
    header: bytes | None = None
    for chunk in chunks(file):
        if chunk.name == b"fmt ":
            header = file.read(min(chunk.size, 40))
        elif chunk.name == b"data":
            if header is None:
                raise UnsupportedMedia(f"damaged {WAV}: no 'fmt ' chunk before the data")
            return _parse(header, chunk.start, chunk.size)
    raise UnsupportedMedia(f"damaged {WAV}: it has no data chunk")


def _parse(header: bytes, start: int, size: int) -> _Layout:
    if len(header) < 16:
        raise UnsupportedMedia(f"damaged {WAV}: its 'fmt ' chunk is too short")
    tag, channels, rate, _, frame, bits = struct.unpack("<HHIIHH", header[:16])
    if tag == _EXTENSIBLE and header[26:40] == _GUID_TAIL:
        tag = int.from_bytes(header[24:26], "little")
    if (tag, bits) not in _DTYPES:
        raise UnsupportedMedia(
            f"this encoding of {WAV} is not read",
            given=f"format {tag:#06x} of {bits} bits",
            accepted=_ACCEPTED,
        )
    if channels == 0 or frame != channels * bits // 8:
        raise UnsupportedMedia(
            f"damaged {WAV}: {channels} channels of {bits} bits in frames of {frame} bytes"
        )
    if size % frame:
        raise UnsupportedMedia(f"truncated {WAV}: the data ends within a frame")
    return _Layout(_DTYPES[tag, bits], bits, channels, rate, start, size // frame)
