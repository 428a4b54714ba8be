"""The pictures of docs/spectrum.md."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convq.gallery.material import grey, page
from core.media.strip import strip
from core.spectrum import magnitude_picture, orientation, phase_picture, rotate, transform


def spectrum() -> NDArray[np.uint8]:
    """Return a page, its spectrum, and the page made level; a brick wall and its spectrum."""
    skewed = rotate(page(), 6.5)
    seen = orientation(skewed)
    wall = grey("brick.png")
    plain, periodic = (transform(wall, window) for window in ("none", "periodic"))
    return strip(
        [
            ("a page, turned by 6.5°", _levels(skewed)),
            ("magnitude of its transform", magnitude_picture(transform(skewed))),
            (f"deskewed: {seen.degrees:.1f}° found", _levels(rotate(skewed, -seen.degrees))),
            ("a wall of bricks", _levels(wall)),
            ("magnitude, window none", magnitude_picture(plain)),
            ("magnitude, window periodic", magnitude_picture(periodic)),
            ("phase", phase_picture(periodic)),
        ],
        columns=4,
    )


def _levels(x: NDArray[Any]) -> NDArray[np.uint8]:
    levels: NDArray[np.uint8] = np.rint(np.clip(x, 0, 255)).astype(np.uint8)
    return levels
