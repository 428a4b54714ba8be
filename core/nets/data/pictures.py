"""Pictures as images: channels first, in one colour model and size if that is wanted."""

from __future__ import annotations

from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.errors import UnsupportedMedia
from core.media import PICTURES as MEDIA_TYPES
from core.media import decode, inspect
from core.nets.data.items import Header, Medium
from core.nets.data.limits import Limits
from core.nets.data.options import DataOptions

_RED, _GREEN, _BLUE = 0.299, 0.587, 0.114
_CHANNELS: Final = {"grey": 1, "rgb": 3}


def describe(file: BinaryIO, options: DataOptions, limits: Limits) -> Header:
    """Read the header of a picture.

    Raises
    ------
    UnsupportedMedia
        If it is no picture, or damaged.
    TooLarge
        If it has more than ``limits.pixels``.
    """
    info = inspect(file, max_pixels=limits.pixels)
    _check_picture(info.media_type)
    assert info.shape is not None
    assert info.dtype is not None
    height, width, *channels = info.shape
    if options.resize is not None:
        height, width = options.resize
    count = _CHANNELS[options.colour] if options.colour else channels[0] if channels else 1
    return Header((count, height, width), info.dtype)


def read(data: bytes, options: DataOptions, limits: Limits) -> NDArray[Any]:
    """Return a picture as ``(C, H, W)``, its dtype kept.

    Grey is the luma of ITU-R BT.601. Sizes change by Pillow's bilinear filter, whose support
    grows when a picture shrinks.
    """
    decoded = decode(data, max_pixels=limits.pixels)
    _check_picture(decoded.info.media_type)
    array = decoded.array if decoded.array.ndim == 3 else decoded.array[..., None]
    image = np.moveaxis(array, -1, 0)
    if options.colour is not None:
        image = _coloured(image, options.colour)
    if options.resize is not None:
        image = _resized(image, options.resize)
    return image


def _check_picture(media_type: str) -> None:
    if media_type not in MEDIA_TYPES:
        raise UnsupportedMedia("this is no picture", given=media_type, accepted=MEDIA_TYPES)


def _coloured(image: NDArray[Any], colour: str) -> NDArray[Any]:
    if len(image) in (2, 4):
        image = image[:-1]
    if len(image) == _CHANNELS[colour]:
        return image
    if colour == "rgb":
        return np.repeat(image, 3, axis=0)
    red, green, blue = image.astype(np.float64)
    return _as_dtype((_RED * red + _GREEN * green + _BLUE * blue)[None], image.dtype)


def _resized(image: NDArray[Any], size: list[int]) -> NDArray[Any]:
    height, width = size
    if image.shape[1:] == (height, width):
        return image
    # Each channel as float32: Pillow's only mode for which all dtypes come out the same.
    planes = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(plane, np.float32)).resize(
                (width, height), Image.Resampling.BILINEAR
            )
        )
        for plane in image
    ]
    return _as_dtype(np.stack(planes), image.dtype)


def _as_dtype(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind not in "iu":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    # Rounding 32-bit values up could leave the dtype, so they are bounded as float64.
    return np.clip(np.rint(values.astype(np.float64)), limits.min, limits.max).astype(dtype)


PICTURES = Medium(
    name="pictures",
    extensions=(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"),
    options=("colour", "resize"),
    advice="resize=[height, width] makes sizes alike, colour=grey or rgb makes colours so",
    describe=describe,
    decode=read,
)
