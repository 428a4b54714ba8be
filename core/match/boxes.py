"""Matches drawn on the picture in which they were found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_COLOUR = (255, 48, 48)
_PAPER = (255, 255, 255)


def draw_boxes(
    picture: NDArray[np.uint8],
    corners: Sequence[Sequence[tuple[float, float]]],
    labels: Sequence[str],
) -> NDArray[np.uint8]:
    """Return a picture with a box and a label for each match.

    Parameters
    ----------
    picture : ndarray of uint8, shape (H, W) or (H, W, 3)
        What was searched.
    corners : sequence of sequence of (x, y)
        Of each box, in turn.
    labels : sequence of str
        Written at the first corner of each.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)

    Examples
    --------
    >>> box = [(1.0, 1.0), (6.0, 1.0), (6.0, 6.0), (1.0, 6.0)]
    >>> draw_boxes(np.zeros((8, 8), np.uint8), [box], [""])[1, 1:7, 0].tolist()
    [255, 255, 255, 255, 255, 255]
    """
    image = Image.fromarray(np.ascontiguousarray(picture)).convert("RGB")
    draw = ImageDraw.Draw(image)
    width = max(1, max(picture.shape[:2]) // 400)
    font = ImageFont.load_default(max(10, max(picture.shape[:2]) // 60))
    for places in corners:
        rounded = [(round(x), round(y)) for x, y in places]
        draw.line([*rounded, rounded[0]], fill=_COLOUR, width=width)
    for places, label in zip(corners, labels, strict=True):
        draw.text(places[0], label, fill=_COLOUR, font=font, stroke_width=width, stroke_fill=_PAPER)
    return np.asarray(image)
