"""What a net has learned, to look at: filters, feature maps, a table of confusions; as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from core.errors import InvalidInput
from core.media.codecs import encode
from core.media.preview import MAX_TILES, preview
from core.media.ranges import to_range
from core.media.types import PNG

# Filters are a few pixels wide; enlarged to about this many they can be told apart. And tiles of
# 3 or 4 columns would be taken for pixels in colour.
_TILE_SIDE: Final = 48
_LEAST_SIDE: Final = 5
_MAX_SIDE: Final = 1024
_CELL: Final = 28
_MARGIN: Final = 8
_MOST_NAMES: Final = 40
_LONGEST_NAME: Final = 20
_FONT_SIZE: Final = 11
_INK: Final = (31, 78, 121)


def filters(weight: NDArray[Any]) -> bytes:
    """Draw the kernels of a convolution, side by side, each scaled by its largest magnitude.

    Zero is mid-grey. Kernels with three input channels are drawn in colour; of others each
    channel is a tile, and so is each slice of a kernel in 3-D. At most 64 tiles are drawn.

    Parameters
    ----------
    weight : ndarray, shape (filters, channels, *kernel)
        Kernel of one to three axes.

    Returns
    -------
    bytes
        The PNG.

    Raises
    ------
    InvalidInput
        If the array has not three to five axes (names ``weight``).

    Examples
    --------
    >>> from core.media.codecs import inspect
    >>> inspect(filters(np.ones((6, 1, 5, 5)))).shape
    (92, 139)
    """
    if not 3 <= weight.ndim <= 5:
        raise InvalidInput(
            "no kernels of a convolution",
            field="weight",
            given=weight.shape,
            accepted="(filters, channels, *kernel) with a kernel of 1 to 3 axes",
        )
    planar = weight[:, :, np.newaxis] if weight.ndim == 3 else weight
    coloured = planar.ndim == 4 and planar.shape[1] == 3
    if coloured:
        tiles = np.moveaxis(planar, 1, -1)[:MAX_TILES]
    else:
        tiles = planar.reshape(-1, *planar.shape[-2:])[:MAX_TILES]
    return _sheet(np.stack([to_range(tile, np.uint8, "signed") for tile in tiles]))


def feature_maps(maps: NDArray[Any]) -> bytes:
    """Draw what a layer made of one image, each channel from its least to its largest value.

    Parameters
    ----------
    maps : ndarray, shape (channels, *spatial) or (features,)
        Output of a layer for one image; vectors are drawn as a strip. At most 64 maps are drawn.

    Returns
    -------
    bytes
        The PNG.

    Examples
    --------
    >>> from core.media.codecs import inspect
    >>> inspect(feature_maps(np.random.default_rng(0).normal(size=(4, 24, 24)))).shape
    (98, 98)
    """
    whole = maps.reshape(1, 1, -1) if maps.ndim == 1 else maps
    planar = whole[:, np.newaxis] if whole.ndim == 2 else whole
    tiles = planar.reshape(-1, *planar.shape[-2:])[:MAX_TILES]
    return _sheet(np.stack([to_range(tile, np.uint8, "rescale") for tile in tiles]))


def confusion(matrix: NDArray[np.int64], classes: Sequence[str]) -> bytes:
    """Draw how often images of each class (rows) were taken for each class (columns).

    The darker a cell, the larger its share of its row; up to 40 classes it bears its number.

    Parameters
    ----------
    matrix : ndarray of int64, shape (classes, classes)
        Counts.
    classes : sequence of str
        Names, of which the first 20 letters are shown.

    Returns
    -------
    bytes
        The PNG.

    Examples
    --------
    >>> from core.media.codecs import inspect
    >>> inspect(confusion(np.array([[5, 1], [0, 7]]), ("cat", "dog"))).shape[2]
    3
    """
    legible = len(classes) <= _MOST_NAMES
    cell = _CELL if legible else max(1, _MAX_SIDE // len(classes))
    names = [name[:_LONGEST_NAME] for name in classes] if legible else []
    font = ImageFont.load_default(_FONT_SIZE)
    head = _MARGIN + int(max((font.getlength(name) for name in names), default=0)) + _MARGIN
    side = head + cell * len(classes) + _MARGIN
    image = Image.new("RGB", (side, side), "white")
    image.paste(_cells(matrix, cell), (head, head))
    middles = [head + cell * index + cell // 2 for index in range(len(names))]
    draw = ImageDraw.Draw(image)
    share = _share(matrix)
    for row, y in enumerate(middles):
        draw.text((head - _MARGIN, y), names[row], fill="black", font=font, anchor="rm")
        for column in np.flatnonzero(matrix[row]):
            ink = "white" if share[row, column] > 0.5 else "black"
            _write(draw, str(matrix[row, column]), (middles[column], y), ink)
    # Pillow writes along x only: the names of the columns are written into the turned picture.
    image = image.transpose(Image.Transpose.ROTATE_270)
    draw = ImageDraw.Draw(image)
    for name, y in zip(names, middles, strict=True):
        draw.text((side - head + _MARGIN, y), name, fill="black", font=font, anchor="lm")
    return encode(np.asarray(image.transpose(Image.Transpose.ROTATE_90)), PNG)


def _share(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    share: NDArray[np.float64] = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    return share


def _cells(matrix: NDArray[np.int64], cell: int) -> Image.Image:
    shares = _share(matrix)[..., np.newaxis]
    colours = np.rint(255 + shares * (np.array(_INK) - 255)).astype(np.uint8)
    return Image.fromarray(colours.repeat(cell, axis=0).repeat(cell, axis=1))


def _write(draw: ImageDraw.ImageDraw, text: str, middle: tuple[int, int], ink: str) -> None:
    size = min(_FONT_SIZE, 2 * (_CELL - 2) // len(text))
    draw.text(middle, text, fill=ink, font=ImageFont.load_default(size), anchor="mm")


def _sheet(tiles: NDArray[np.uint8]) -> bytes:
    height, width = tiles.shape[1:3]
    times = max(1, _TILE_SIDE // max(height, width), ceil(_LEAST_SIDE / min(height, width)))
    enlarged = tiles.repeat(times, axis=1).repeat(times, axis=2)
    return preview(enlarged, max_side=_MAX_SIDE)
