"""Media types: their names, their file extensions, and how to know them by content."""

from __future__ import annotations

import re
from typing import Final

PNG: Final = "image/png"
JPEG: Final = "image/jpeg"
TIFF: Final = "image/tiff"
WEBP: Final = "image/webp"
NPY: Final = "application/x-npy"
NPZ: Final = "application/x-npz"
WAV: Final = "audio/wav"
ZIP: Final = "application/zip"
SAFETENSORS: Final = "application/x-safetensors"
ONNX: Final = "application/x-onnx"
JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
ZARR: Final = "application/vnd.convq.zarr+json"
CSV: Final = "text/csv"
OCTET_STREAM: Final = "application/octet-stream"

PICTURES: Final = (PNG, JPEG, TIFF, WEBP)
DECODABLE: Final = (*PICTURES, NPY, NPZ, WAV)

EXTENSIONS: Final = {
    PNG: ".png",
    JPEG: ".jpg",
    TIFF: ".tif",
    WEBP: ".webp",
    NPY: ".npy",
    NPZ: ".npz",
    WAV: ".wav",
    JSON: ".json",
    CSV: ".csv",
    ZIP: ".zip",
    SAFETENSORS: ".safetensors",
    ONNX: ".onnx",
    NDJSON: ".jsonl",
    ZARR: ".zarr",
    OCTET_STREAM: ".bin",
}
"""The extension that convq gives a file of each media type."""

BY_EXTENSION: Final = {extension: media_type for media_type, extension in EXTENSIONS.items()} | {
    ".jpeg": JPEG,
    ".tiff": TIFF,
}
"""The media type that a file name promises, for the name of an output; inputs are sniffed."""

SNIFF_BYTES: Final = 512
"""How many of a file's first bytes :func:`sniff` wants to see."""

_SIGNATURES: Final = (
    (PNG, re.compile(rb"\x89PNG\r\n\x1a\n")),
    (JPEG, re.compile(rb"\xff\xd8\xff")),
    # The second pair is BigTIFF.
    (TIFF, re.compile(rb"II\*\x00|MM\x00\*|II\+\x00|MM\x00\+")),
    (WEBP, re.compile(rb"RIFF.{4}WEBP", re.DOTALL)),
    # RF64 is WAV past 4 GiB, RIFX is big-endian WAV: known, so that the refusal can say so.
    (WAV, re.compile(rb"(RIFF|RF64|RIFX).{4}WAVE", re.DOTALL)),
    (NPY, re.compile(rb"\x93NUMPY")),
    # A ZIP archive; it is an npz if its first member is an npy.
    (NPZ, re.compile(rb"PK\x03\x04")),
    # The length of the header, which is JSON, in eight bytes.
    (SAFETENSORS, re.compile(rb'.{4}\x00{4}\{"', re.DOTALL)),
    # The listing of a chunked array (core/tiles/listing.py), which is JSON.
    (ZARR, re.compile(rb'\{"convq_zarr":')),
    (JSON, re.compile(rb'[ \t\r\n]*(\{[ \t\r\n]*["}]|\[[ \t\r\n]*(["{\[\]\d-]|true|false|null))')),
)


def sniff(head: bytes) -> str:
    r"""Tell the media type of a file from its first bytes.

    Parameters
    ----------
    head : bytes
        The first ``SNIFF_BYTES`` bytes, or all there are.

    Returns
    -------
    str
        One of the constants of this module; ``application/octet-stream`` for what convq does not
        know.

    Examples
    --------
    >>> sniff(b"\x89PNG\r\n\x1a\n...")
    'image/png'
    >>> sniff(b"hello")
    'application/octet-stream'
    """
    for media_type, signature in _SIGNATURES:
        if signature.match(head):
            is_other_zip = media_type == NPZ and not _first_member(head).endswith(b".npy")
            return ZIP if is_other_zip else media_type
    return OCTET_STREAM


def _first_member(archive: bytes) -> bytes:
    # The length of the name is at byte 26, the name at byte 30.
    return archive[30 : 30 + int.from_bytes(archive[26:28], "little")]
