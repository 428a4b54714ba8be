"""Writing pictures: which arrays each format holds, and how convq stores them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.errors import InvalidInput
from core.media.info import Extra
from core.media.types import JPEG, PNG, TIFF, WEBP


@dataclass(frozen=True)
class _Format:
    name: str
    holds: dict[str, tuple[int, ...]]
    accepted: str
    max_side: int
    options: dict[str, Any] = field(default_factory=dict)


# Channel numbers by dtype; 0 stands for a grey array of shape (H, W).
_FORMATS: Final = {
    PNG: _Format(
        "PNG",
        {"uint8": (0, 2, 3, 4), "uint16": (0,)},
        "uint8 (H, W) or (H, W, 2|3|4), or uint16 (H, W)",
        (1 << 31) - 1,
        # A photograph of 24 megapixels: 2.6 s and 47 MB, against 4.6 s and 43 MB at Pillow's own
        # level 6 (one core of an AMD EPYC).
        {"compress_level": 1},
    ),
    JPEG: _Format(
        "JPEG",
        {"uint8": (0, 3)},
        "uint8 (H, W) or (H, W, 3), at most 65500 pixels a side",
        65500,
        {"quality": 95, "subsampling": 0},
    ),
    TIFF: _Format(
        "TIFF",
        {"uint8": (0, 2, 3, 4), "uint16": (0,), "int32": (0,), "float32": (0,)},
        "uint8 (H, W) or (H, W, 2|3|4), or uint16, int32 or float32 (H, W)",
        (1 << 31) - 1,
    ),
    WEBP: _Format(
        "WEBP",
        {"uint8": (3, 4)},
        "uint8 (H, W, 3|4), at most 16383 pixels a side",
        16383,
        # exact keeps the colours under transparent pixels. Where no pixel is transparent the file
        # has no alpha at all, whatever is asked for.
        {"lossless": True, "exact": True},
    ),
}

# TIFF states offsets in 32 bits; in the other formats nobody could open such a picture.
_MAX_BYTES: Final = (1 << 32) - (1 << 20)

_PROFILE_SPACES: Final = {b"GRAY": (0, 2), b"RGB ": (3, 4)}


def encode_picture(array: NDArray[Any], file: BinaryIO, extra: Extra, media_type: str) -> None:
    """Write a picture; see :func:`core.media.encode`."""
    kind = _FORMATS[media_type]
    channels = 0 if array.ndim == 2 else array.shape[-1]
    if (
        array.ndim not in (2, 3)
        or channels not in kind.holds.get(array.dtype.name, ())
        or not 1 <= min(array.shape[:2]) <= max(array.shape[:2]) <= kind.max_side
        or array.nbytes > _MAX_BYTES
    ):
        raise InvalidInput(
            f"a {kind.name} cannot hold this array; use npy",
            field="output",
            given=f"{array.dtype} {array.shape}",
            accepted=kind.accepted,
        )
    options = dict(kind.options)
    profile = extra.get("icc_profile")
    # A profile of another colour space (a colour picture's for a grey result) would be wrong.
    if profile and channels in _PROFILE_SPACES.get(profile[16:20], ()):
        options["icc_profile"] = profile
    native = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    Image.fromarray(native).save(file, format=kind.name, **options)
