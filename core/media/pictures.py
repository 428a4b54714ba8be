"""Pictures: PNG, JPEG, TIFF and WebP through Pillow, whose surprises end in this file."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, cast

import numpy as np
from PIL import Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from core.errors import UnsupportedMedia
from core.media.guard import HeaderReader, check_values
from core.media.info import Decoded, Extra, MediaInfo
from core.media.jpeg import check_scans
from core.media.types import JPEG, PNG, TIFF, WEBP
from core.media.webp import read_webp_header

# Opened by class, not by Image.open: the type is known, other formats' parsers stay out of reach.
_OPENERS: Final[dict[str, type[ImageFile.ImageFile]]] = {
    PNG: PngImageFile,
    JPEG: JpegImageFile,
    TIFF: TiffImageFile,
    WEBP: WebPImageFile,
}

_CHANNELS: Final = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "I": 1, "F": 1} | dict.fromkeys(
    ("I;16", "I;16B", "I;16L"), 1
)

# Pillow's mode of a file -> the mode it is converted to: 1-bit becomes 0 and 255, palettes and
# print colours become RGB.
_TARGETS: Final = {
    **{mode: mode for mode in _CHANNELS},
    "1": "L",
    "La": "LA",
    "P": "RGB",
    "PA": "RGBA",
    "RGBa": "RGBA",
    "CMYK": "RGB",
    "YCbCr": "RGB",
}
# libtiff hands out samples in the machine's byte order, and Pillow takes these for the file's.
_NATIVE_RAW_MODES: Final = {"I;16BS": "I;16NS", "I;32BS": "I;32NS", "F;32BF": "F;32NF"}

_WITH_ALPHA: Final = {"L": "LA", "RGB": "RGBA"}
# These have left the colour space that the file's profile describes.
_FOREIGN_COLOURS: Final = ("CMYK", "YCbCr")

_ORIENTATION: Final = 0x0112
_PHOTOMETRIC: Final = 262
_TILE_SIDES: Final = (322, 323)
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_pillow_lock = threading.Lock()


@dataclass(frozen=True)
class _Layout:
    """What decoding will do: the mode to convert to, and the Exif orientation left to apply."""

    info: MediaInfo
    mode: str
    orientation: int


def inspect_picture(file: BinaryIO, max_pixels: int, media_type: str) -> MediaInfo:
    """Read the headers of a picture; see :func:`core.media.inspect`."""
    return _layout(file, media_type, max_pixels).info


def decode_picture(file: BinaryIO, max_pixels: int, media_type: str) -> Decoded:
    """Read a picture; see :func:`core.media.decode`."""
    layout = _layout(file, media_type, max_pixels)
    file.seek(0)
    with _pillow():
        opened = _OPENERS[media_type](file)
    _mend_byte_order(opened)
    image: Image.Image = opened
    foreign = image.mode in _FOREIGN_COLOURS
    profile = image.info.get("icc_profile")
    _load(image)
    if image.mode != layout.mode:
        image = image.convert(layout.mode)
    if layout.orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[layout.orientation])
    array = np.asarray(image)
    if layout.info.dtype == "uint32":
        array = array.view(np.uint32)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.shape != layout.info.shape or array.dtype != layout.info.dtype:
        raise UnsupportedMedia(
            f"damaged {media_type}: the header says {layout.info.dtype} {layout.info.shape}, "
            f"the content is {array.dtype} {array.shape}"
        )
    extra = layout.info.extra.copy()
    if isinstance(profile, bytes) and profile and not foreign:
        extra["icc_profile"] = profile
    return Decoded(array, MediaInfo(media_type, array.shape, str(array.dtype), extra))


@contextmanager
def _pillow() -> Iterator[None]:
    # Pillow warns of odd metadata, and has a limit of its own in a global; ours was checked. Both
    # are settings of the process, so one thread at a time changes them, and only for a moment.
    with _pillow_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _load(image: Image.Image) -> None:
    # Pillow asks for its limit again while it loads some formats. Only pictures beyond it wait for
    # the lock, so that ordinary ones are decoded side by side.
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        with _pillow():
            image.load()
    else:
        image.load()


def _mend_byte_order(image: ImageFile.ImageFile) -> None:
    for index, tile in enumerate(image.tile):
        if tile.codec_name == "libtiff" and isinstance(tile.args, tuple):
            raw_mode, *others = tile.args
            native = _NATIVE_RAW_MODES.get(raw_mode, raw_mode)
            image.tile[index] = tile._replace(args=(native, *others))


def _layout(file: BinaryIO, media_type: str, max_pixels: int) -> _Layout:
    file.seek(0)
    if media_type == WEBP:
        return _webp_layout(file, max_pixels)
    with _pillow():
        image = _OPENERS[media_type](cast("BinaryIO", HeaderReader(file)))
    check_values((image.height, image.width), max_pixels, what="pixels")
    if getattr(image, "is_animated", False):
        raise _several_pictures(media_type)
    if image.info.get("progressive"):
        check_scans(file)
    if isinstance(image, TiffImageFile):
        # libtiff makes room for one whole tile.
        check_values(tuple(_tile(image)), max_pixels, what="pixels in a tile")
        # Pillow has turned a TIFF's size already, and turns its pixels as it loads them.
        orientation = 1
    else:
        orientation = _orientation(image.info.get("exif"))
    mode, dtype = _target(image, media_type)
    info = _info(media_type, image.width, image.height, mode, dtype, orientation)
    return _Layout(info, mode, orientation)


def _webp_layout(file: BinaryIO, max_pixels: int) -> _Layout:
    header = read_webp_header(file)
    check_values((header.height, header.width), max_pixels, what="pixels")
    if header.animated:
        raise _several_pictures(WEBP)
    mode = "RGBA" if header.alpha else "RGB"
    orientation = _orientation(header.exif)
    info = _info(WEBP, header.width, header.height, mode, "uint8", orientation)
    return _Layout(info, mode, orientation)


def _info(
    media_type: str, width: int, height: int, mode: str, dtype: str, orientation: int
) -> MediaInfo:
    sides = (width, height) if orientation >= 5 else (height, width)
    channels = _CHANNELS[mode]
    extra = Extra(alpha=True) if mode in _WITH_ALPHA.values() else Extra()
    return MediaInfo(media_type, sides if channels == 1 else (*sides, channels), dtype, extra)


def _target(image: ImageFile.ImageFile, media_type: str) -> tuple[str, str]:
    """Return the mode to convert to and its dtype, or refuse what Pillow would spoil."""
    mode = _TARGETS.get(image.mode)
    raw_mode = _raw_mode(image)
    if mode is None:
        raise UnsupportedMedia(
            f"this colour model of {media_type} is not read",
            given=image.mode,
            accepted="grey, RGB, either with alpha, palette, CMYK or YCbCr",
        )
    transparent = "transparency" in image.info
    if mode in ("L", "LA", "RGB", "RGBA"):
        if "16" in raw_mode:
            raise UnsupportedMedia(
                f"a {media_type} with 16 bits in several channels would lose half of them",
                accepted="16 bits in grey, 8 bits in colour, or an npy",
            )
        return (_WITH_ALPHA.get(mode, mode) if transparent else mode), "uint8"
    if transparent or _white_is_zero(image):
        raise UnsupportedMedia(
            f"a {media_type} of more than 8 bits with a transparent value, or with white as 0, "
            "is not read",
            accepted="plain grey with black as 0",
        )
    if mode == "I":
        return mode, "uint32" if raw_mode == "I;32N" else "int32"
    return mode, "float32" if mode == "F" else "uint16"


def _raw_mode(image: ImageFile.ImageFile) -> str:
    if not image.tile:
        raise UnsupportedMedia("the picture has no pixel data")
    arguments = image.tile[0].args
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)


def _white_is_zero(image: ImageFile.ImageFile) -> bool:
    return isinstance(image, TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC) == 0


def _tile(image: TiffImageFile) -> Iterator[int]:
    for tag in _TILE_SIDES:
        side = image.tag_v2.get(tag, 1)
        if not isinstance(side, int):
            raise UnsupportedMedia(f"damaged {TIFF}: a tile side is no integer", given=side)
        yield side


def _orientation(exif: Any) -> int:
    # The block before the pixels only: Image.getexif would decode the pixels to look behind them.
    if not isinstance(exif, bytes):
        return 1
    tags = Image.Exif()
    try:
        with _pillow():
            tags.load(exif)
            orientation = tags.get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001  A viewer shows a picture with a broken Exif block, unturned.
        return 1
    return orientation if orientation in _UPRIGHT else 1


def _several_pictures(media_type: str) -> UnsupportedMedia:
    return UnsupportedMedia(
        f"this {media_type} holds several pictures; all but the first would be lost",
        accepted="one picture a file; send the pages or frames as several inputs, or as an npy",
    )
