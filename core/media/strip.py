"""Pictures side by side, with captions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_GAP: Final = 8
_LINE: Final = 20
_FONT: Final = 14


def strip(
    pictures: Sequence[tuple[str, NDArray[np.uint8]]], *, height: int = 240, columns: int = 4
) -> NDArray[np.uint8]:
    """Return pictures in rows, each with its caption below.

    Parameters
    ----------
    pictures : sequence of (str, ndarray of uint8)
        Captions, and arrays of shape (H, W) or (H, W, 3).
    height : int
        That all pictures are brought to, in pixels.
    columns : int
        Pictures in a row.

    Examples
    --------
    >>> strip([("a", np.zeros((4, 8), np.uint8))], height=40).shape
    (76, 96, 3)
    """
    sized = [(caption, _sized(picture, height)) for caption, picture in pictures]
    rows = [sized[start : start + columns] for start in range(0, len(sized), columns)]
    width = max(sum(image.width + _GAP for _, image in row) for row in rows) + _GAP
    canvas = Image.new("RGB", (width, len(rows) * (height + _LINE + _GAP) + _GAP), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(_FONT)
    for number, row in enumerate(rows):
        top, left = _GAP + number * (height + _LINE + _GAP), _GAP
        for caption, image in row:
            canvas.paste(image, (left, top))
            draw.text((left, top + height + 2), caption, fill="black", font=font)
            left += image.width + _GAP
    return np.asarray(canvas)


def _sized(picture: NDArray[Any], height: int) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(picture)).convert("RGB")
    width = round(image.width * height / image.height)
    # Small pictures keep the edges of their pixels.
    how = Image.Resampling.NEAREST if image.height < height // 2 else Image.Resampling.LANCZOS
    return image.resize((width, height), how)
