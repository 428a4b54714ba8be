"""Small pictures of images, and a sheet of them: a query and its neighbours in each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from core.media import PNG, encode, to_range

SIDE: Final = 64
"""Of the largest thumbnail."""

_CELL: Final = 96
_GAP: Final = 8
_LINE: Final = 14
_FONT: Final = 11
_LETTERS: Final = 16


def thumbnails(x: NDArray[Any]) -> NDArray[np.uint8]:
    """Return images as small pictures.

    Parameters
    ----------
    x : ndarray, shape (N, C, H, W)
        Pictures with 1 or 3 channels; floating point is scaled from its least to its greatest
        value, picture by picture.

    Returns
    -------
    ndarray of uint8, shape (N, h, w, 3)
        With sides of at most 64; ``(N, 0, 0, 3)`` if these are no pictures.

    Examples
    --------
    >>> thumbnails(np.zeros((2, 1, 128, 96), np.uint8)).shape
    (2, 64, 48, 3)
    >>> thumbnails(np.zeros((2, 50))).shape
    (2, 0, 0, 3)
    """
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        return np.zeros((len(x), 0, 0, 3), np.uint8)
    height, width = x.shape[2:]
    scale = min(1, SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    made = np.empty((len(x), size[1], size[0], 3), np.uint8)
    for picture, image in zip(made, x, strict=True):
        levels = image if image.dtype == np.uint8 else to_range(image, np.uint8, "rescale")
        colours = np.broadcast_to(np.moveaxis(levels, 0, -1), (height, width, 3))
        small = Image.fromarray(np.ascontiguousarray(colours)).resize(size, Image.Resampling.BOX)
        picture[:] = np.asarray(small)
    return made


def sheet(
    queries: NDArray[np.uint8],
    neighbours: Sequence[NDArray[np.uint8]],
    names: Sequence[Sequence[str]],
    distances: NDArray[np.float64],
) -> bytes:
    """Draw each query, a line, and its neighbours with their names and distances below them.

    Parameters
    ----------
    queries : ndarray, shape (Q, h, w, 3)
        From `thumbnails`.
    neighbours : sequence of ndarray, shape (k, h, w, 3)
        Of each query, the nearest first.
    names : sequence of sequence of str
        Theirs.
    distances : ndarray, shape (Q, k)
        Theirs.

    Returns
    -------
    bytes
        A PNG.

    Examples
    --------
    >>> from core.media import inspect
    >>> one = np.zeros((1, 64, 64, 3), np.uint8)
    >>> inspect(sheet(one, [one], [["a"]], np.zeros((1, 1)))).shape
    (148, 216, 3)
    """
    rows, columns = distances.shape
    width = (_CELL + _GAP) * (columns + 1) + _GAP
    height = (_CELL + 2 * _LINE + _GAP) * rows + 2 * _GAP
    canvas = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(_FONT)
    for row in range(rows):
        top = _GAP + row * (_CELL + 2 * _LINE + _GAP)
        pictures = [queries[row], *neighbours[row]]
        texts = [("query", "")] + [
            (name, f"{far:.4g}") for name, far in zip(names[row], distances[row], strict=True)
        ]
        for column, (picture, lines) in enumerate(zip(pictures, texts, strict=True)):
            left = _GAP + column * (_CELL + _GAP)
            canvas.paste(_fitted(picture), (left, top))
            for number, line in enumerate(lines):
                place = left, top + _CELL + number * _LINE
                draw.text(place, line[:_LETTERS], fill="black", font=font)
        edge = _GAP // 2 + _CELL + _GAP
        draw.line([(edge, top), (edge, top + _CELL)], fill="grey")
    return encode(np.asarray(canvas), PNG)


def _fitted(picture: NDArray[np.uint8]) -> Image.Image:
    """Return a picture enlarged by a whole number, as far as it fits a cell."""
    times = max(1, _CELL // max(picture.shape[:2]))
    return Image.fromarray(picture.repeat(times, axis=0).repeat(times, axis=1))
