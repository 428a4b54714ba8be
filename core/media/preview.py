"""A picture of any array, to look at."""

from __future__ import annotations

from math import ceil, sqrt
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from core.errors import InvalidInput
from core.media.codecs import encode
from core.media.ranges import to_range
from core.media.types import PNG

MAX_TILES: Final = 64

_MIN_SIDE: Final = 64
_NAN_COLOUR: Final = (255, 0, 255)
_WAVE_HEIGHT: Final = 128
_WAVE_COLOUR: Final = (31, 78, 121)
_BACKGROUND: Final = (255, 255, 255)
_MAX_TRACKS: Final = 8
_MIN_TRACK_RATIO: Final = 64
_GAP: Final = 2
_GAP_LEVEL: Final = 255


def preview(array: NDArray[Any], *, max_side: int = 1024) -> bytes:
    """Draw any numeric array as a PNG.

    - 1-D, and 2-D of at most 8 columns and 64 times as many rows: waveforms, one below the other.
    - 2-D: grey.
    - (..., H, W, 3) and (..., H, W, 4): colour, if H and W exceed 4; else a bank of 3x3 kernels
      would be a picture.
    - More axes: a mosaic of the first 64 maps over the leading axes, row by row.

    uint8 is shown as it is and uint16 by its upper 8 bits; bool is black and white; all other
    dtypes are stretched from their smallest to their largest finite value, over all maps
    together. Complex values are shown as log(1 + magnitude). Infinities are white and black.
    NaN is magenta. A fourth channel is opacity for uint8 and uint16 and is left out otherwise.
    Pictures larger than ``max_side`` are thinned and then averaged.

    Parameters
    ----------
    array : ndarray
        Bool, integer, real or complex.
    max_side : int
        Of the PNG, in pixels; at least 64.

    Returns
    -------
    bytes
        The PNG.

    Raises
    ------
    InvalidInput
        If the array is empty or not numeric (names ``array``), or ``max_side`` is too small.

    Examples
    --------
    >>> from core.media.codecs import inspect
    >>> inspect(preview(np.zeros((5, 16, 16)))).shape
    (34, 52)
    """
    if array.size == 0 or array.dtype.kind not in "biufc":
        raise InvalidInput(
            "there is nothing to draw in this array",
            field="array",
            given=f"{array.dtype} {array.shape}",
            accepted="numbers, at least one",
        )
    if max_side < _MIN_SIDE:
        raise InvalidInput(
            "too small", field="max_side", given=max_side, accepted=f"{_MIN_SIDE} or more"
        )
    if _is_waveform(array.shape):
        return encode(_waveforms(array.reshape(len(array), -1), max_side), PNG)
    coloured = array.ndim >= 3 and array.shape[-1] in (3, 4) and min(array.shape[-3:-1]) > 4
    trailing = 3 if coloured else 2
    at_least = array.reshape((1,) * (trailing - array.ndim) + array.shape)
    tiles = at_least.reshape(-1, *at_least.shape[-trailing:])[:MAX_TILES]
    columns = ceil(sqrt(len(tiles)))
    side = max(1, (max_side - _GAP * (columns - 1)) // columns)
    thinned = tiles[:, :: _step(tiles.shape[1], side), :: _step(tiles.shape[2], side)]
    pictures = [_shrunk(picture, side) for picture in _colours(thinned)]
    return encode(_mosaic(pictures, columns), PNG)


def _is_waveform(shape: tuple[int, ...]) -> bool:
    if len(shape) != 2:
        return len(shape) == 1
    return shape[1] <= _MAX_TRACKS and shape[0] >= _MIN_TRACK_RATIO * shape[1]


def _step(length: int, side: int) -> int:
    # Leaves at least two values a pixel to average, along each axis.
    return max(1, length // (2 * side))


def _colours(tiles: NDArray[Any]) -> NDArray[np.uint8]:
    """Turn (N, H, W) or (N, H, W, 3|4) into uint8, with three channels where there are NaN."""
    if tiles.dtype.kind == "c":
        tiles = np.log1p(np.abs(tiles))
    if tiles.dtype == np.uint8:
        return tiles
    if tiles.dtype == np.uint16:
        return (tiles >> 8).astype(np.uint8)
    if tiles.ndim == 4:
        tiles = tiles[..., :3]
    missing = np.isnan(tiles)
    levels: NDArray[np.uint8]
    if tiles.dtype.kind == "b":
        levels = tiles * np.uint8(255)
    else:
        levels = to_range(tiles, np.uint8, "rescale")
    if not missing.any():
        return levels
    if tiles.ndim == 4:
        missing = missing.any(axis=-1)
    else:
        levels = np.repeat(levels[..., np.newaxis], 3, axis=-1)
    levels[missing] = _NAN_COLOUR
    return levels


def _shrunk(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return picture
    size = max(1, round(width * scale)), max(1, round(height * scale))
    image = Image.fromarray(np.ascontiguousarray(picture))
    return np.asarray(image.resize(size, Image.Resampling.BOX))


def _mosaic(pictures: list[NDArray[np.uint8]], columns: int) -> NDArray[np.uint8]:
    height, width, *channels = pictures[0].shape
    rows = ceil(len(pictures) / columns)
    canvas = np.full(
        (rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, *channels),
        _GAP_LEVEL,
        np.uint8,
    )
    for index, picture in enumerate(pictures):
        top = index // columns * (height + _GAP)
        left = index % columns * (width + _GAP)
        canvas[top : top + height, left : left + width] = picture
    return canvas


def _waveforms(samples: NDArray[Any], max_side: int) -> NDArray[np.uint8]:
    """Draw (frames, tracks); each pixel column spans the least and greatest of its frames."""
    if samples.dtype.kind == "c":
        samples = np.log1p(np.abs(samples))
    frames, tracks = samples.shape
    width = min(max_side, frames)
    height = min(_WAVE_HEIGHT, max_side // tracks)
    image = Image.new("RGB", (width, height * tracks), _BACKGROUND)
    draw = ImageDraw.Draw(image)
    starts = np.linspace(0, frames, width, endpoint=False).astype(np.intp)
    for track in range(tracks):
        _draw_track(draw, samples[:, track].astype(np.float64), starts, height * track, height)
    return np.asarray(image)


def _draw_track(
    draw: ImageDraw.ImageDraw,
    track: NDArray[np.float64],
    starts: NDArray[np.intp],
    top: int,
    height: int,
) -> None:
    finite = track[np.isfinite(track)]
    # Halved, so that the distance of the two ends of float64 is still a number.
    low, high = (finite.min() / 2, finite.max() / 2) if finite.size else (0.0, 0.0)
    span = (high - low) or 1.0
    missing = np.logical_or.reduceat(np.isnan(track), starts)
    levels = np.clip((track / 2 - low) / span, 0.0, 1.0)
    # fmin and fmax pass over NaN.
    upper, lower = (
        top + np.rint((height - 1) * (1 - np.nan_to_num(extreme.reduceat(levels, starts))))
        for extreme in (np.fmax, np.fmin)
    )
    for x, (first, last) in enumerate(zip(upper.tolist(), lower.tolist(), strict=True)):
        if missing[x]:
            draw.line((x, top, x, top + height - 1), fill=_NAN_COLOUR)
        else:
            draw.line((x, first, x, last), fill=_WAVE_COLOUR)
