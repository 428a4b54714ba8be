"""The picture of `train` jobs in the dashboard's gallery."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from convq.gallery.samples import shapes
from core.media.strip import strip

_ACROSS, _DOWN = 9, 4


def train() -> NDArray[np.uint8]:
    """Return some images of each class of a data set."""
    with np.load(io.BytesIO(shapes())) as archive:
        x, y = archive["x"], archive["y"]
    classes = ("disks", "squares", "triangles")
    return strip([(name, _tiles(x[y == which])) for which, name in enumerate(classes)], height=200)


def _tiles(x: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the first images side by side, with a line between them."""
    side = x.shape[1] + 1
    canvas = np.full((_DOWN * side - 1, _ACROSS * side - 1), 255, np.uint8)
    for at in range(_DOWN * _ACROSS):
        top, left = side * (at // _ACROSS), side * (at % _ACROSS)
        canvas[top : top + side - 1, left : left + side - 1] = x[at]
    return canvas
