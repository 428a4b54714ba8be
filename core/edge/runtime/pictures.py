"""Images from files, with NumPy and the standard library: .npy, PNG, PGM and PPM.

Other formats are read where Pillow is installed. Values stay as they are in the file: a net that
wants them scaled has a layer that does it.

Sources: "Portable Network Graphics (PNG) Specification", third edition, W3C, 2025, sections 5, 7
and 9; the Netpbm formats, pgm(5) and ppm(5).
"""

import io
import re
import struct
import zlib
from typing import Any

import numpy as np

from core.edge.runtime.errors import EdgeError

_PNG = b"\x89PNG\r\n\x1a\n"
_NPY = b"\x93NUMPY"
# By PNG's colour type: grey, RGB.
_PNG_CHANNELS = {0: 1, 2: 3}
_PNM_CHANNELS = {b"P5": 1, b"P6": 3}
# Numbers with white space or comments between them, and one white space before the pixels.
_PNM_GAP = rb"(?:\s|#[^\n]*\n)+"
_PNM_HEADER = re.compile(_PNM_GAP.join([rb"(P[56])", rb"(\d+)", rb"(\d+)", rb"(\d+)"]) + rb"\s")
_MOST_VALUES = 1 << 28


def read_image(data: bytes, shape: "tuple[int, ...]") -> "np.ndarray[Any, Any]":
    r"""Return the image in a file as a net takes it.

    Parameters
    ----------
    data : bytes
        The file.
    shape : tuple of int
        What the net takes, channels first.

    Returns
    -------
    ndarray, shape (*shape)

    Raises
    ------
    EdgeError
        It is of no format that is known here, is damaged, or has another shape.

    Examples
    --------
    >>> read_image(b"P5 3 1 255\n" + bytes([0, 128, 255]), (1, 1, 3)).tolist()
    [[[0, 128, 255]]]
    """
    try:
        found = _decoded(data)
    except EdgeError:
        raise
    except (ValueError, IndexError, KeyError, EOFError, OSError, struct.error, zlib.error) as error:
        raise EdgeError(
            "the file is damaged, or of a kind that is not read here ({})".format(error), "input"
        ) from None
    if found.dtype.kind not in "fiub":
        raise EdgeError(
            "these are no real numbers", "input", str(found.dtype), "floats, integers or booleans"
        )
    # One channel may go without saying.
    if found.shape != shape and (1,) + found.shape != shape:
        raise EdgeError("the image has another shape", "input", given=found.shape, accepted=shape)
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise EdgeError("there are numbers that are not finite", "input")
    return found.reshape(shape)


def _decoded(data: bytes) -> "np.ndarray[Any, Any]":
    if data[: len(_NPY)] == _NPY:
        return np.asarray(np.load(io.BytesIO(data), allow_pickle=False))
    if data[:2] in _PNM_CHANNELS:
        return _pnm(data)
    if data[: len(_PNG)] == _PNG:
        return _png(data)
    return _by_pillow(data)


def _pnm(data: bytes) -> "np.ndarray[Any, Any]":
    header = _PNM_HEADER.match(data)
    if header is None or not 0 < int(header.group(4)) < 256:
        raise ValueError("no header of a picture of bytes")
    width, height = int(header.group(2)), int(header.group(3))
    return _channels_first(data[header.end() :], height, width, _PNM_CHANNELS[header.group(1)])


def _channels_first(data: bytes, height: int, width: int, channels: int) -> "np.ndarray[Any, Any]":
    count = height * width * channels
    if not 0 < count <= min(len(data), _MOST_VALUES):
        raise ValueError("there are not as many values as the header says")
    return np.moveaxis(np.frombuffer(data, np.uint8, count).reshape(height, width, channels), -1, 0)


def _png(data: bytes) -> "np.ndarray[Any, Any]":
    packed, at = [], len(_PNG)
    header = b""
    while True:
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        (check,) = struct.unpack_from(">I", data, at + 8 + length)
        if zlib.crc32(kind + body) & 0xFFFFFFFF != check:
            raise ValueError("a checksum is wrong")
        if kind == b"IHDR":
            header = body
        elif kind == b"IDAT":
            packed.append(body)
        elif kind == b"IEND":
            break
        at += 12 + length
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    if depth != 8 or interlaced or colour not in _PNG_CHANNELS:
        raise ValueError("only grey and RGB of 8 bits without interlacing are read")
    channels = _PNG_CHANNELS[colour]
    row = width * channels
    if not 0 < row * height <= _MOST_VALUES:
        raise ValueError("the picture is empty, or too large")
    raw = zlib.decompressobj().decompress(b"".join(packed), (row + 1) * height)
    lines = np.frombuffer(raw, np.uint8, (row + 1) * height).reshape(height, row + 1)
    return _channels_first(_unfiltered(lines, channels), height, width, channels)


def _unfiltered(lines: "np.ndarray[Any, Any]", pixel: int) -> bytes:
    """Undo the filters of a PNG's rows (section 9.2); arithmetic is modulo 256."""
    found = bytearray()
    above = bytes(lines.shape[1] - 1)
    for line in lines:
        kind, row = int(line[0]), bytearray(line[1:].tobytes())
        if kind == 2:
            row = bytearray((line[1:] + np.frombuffer(above, np.uint8)).tobytes())
        elif kind in (1, 3, 4):
            for i in range(len(row)):
                left = row[i - pixel] if i >= pixel else 0
                corner = above[i - pixel] if i >= pixel else 0
                predicted = (left, 0, (left + above[i]) // 2, _paeth(left, above[i], corner))
                row[i] = (row[i] + predicted[kind - 1]) & 255
        elif kind:
            raise ValueError("there is no such filter")
        found += row
        above = bytes(row)
    return bytes(found)


def _paeth(left: int, above: int, corner: int) -> int:
    estimate = left + above - corner
    distances = (abs(estimate - left), abs(estimate - above), abs(estimate - corner))
    return (left, above, corner)[distances.index(min(distances))]


def _by_pillow(data: bytes) -> "np.ndarray[Any, Any]":
    try:
        from PIL import Image
    except ImportError:
        raise EdgeError(
            "the file is of a kind that is not read here",
            "input",
            accepted=".npy, PNG, PGM and PPM; others where Pillow is installed",
        ) from None
    array = np.asarray(Image.open(io.BytesIO(data)))
    return array if array.ndim == 2 else np.moveaxis(array, -1, 0)
