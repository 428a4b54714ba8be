"""Pictures one after another, as one animated picture."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SIDE = 640
_MILLISECONDS = 80
_PAUSE = 1500


def film_frame(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a frame as small as a film shows it, to be kept until the film is made.

    Parameters
    ----------
    levels : ndarray of uint8, shape (H, W) or (H, W, 3)

    Examples
    --------
    >>> film_frame(np.zeros((320, 1280), np.uint8)).shape
    (160, 640)
    """
    image = Image.fromarray(np.ascontiguousarray(levels))
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    return np.asarray(image)


def film_size(shape: tuple[int, ...], frames: int) -> int:
    """Return how many bytes of memory a film takes while it is made.

    Parameters
    ----------
    shape : tuple of int, (H, W) or (H, W, 3)
        Of a picture as it is, before `film_frame`.
    frames : int

    Examples
    --------
    >>> film_size((1280, 1280), 10), film_size((320, 640, 3), 10)
    (20480000, 14336000)
    """
    smaller = min(1.0, _SIDE / max(shape[:2]))
    pixels = math.ceil(shape[0] * smaller) * math.ceil(shape[1] * smaller)
    # Levels, and four bytes of each pixel that is about to be encoded.
    return frames * pixels * (math.prod(shape[2:]) + 4)


def film(frames: Sequence[NDArray[np.uint8]]) -> bytes:
    """Return an animated WebP that shows the frames without end, with a pause after the last.

    Parameters
    ----------
    frames : sequence of ndarray of uint8, shape (H, W) or (H, W, 3)
        All of one shape; shown as by `film_frame`.

    Examples
    --------
    >>> film([np.zeros((4, 4), np.uint8), np.full((4, 4), 255, np.uint8)])[8:12]
    b'WEBP'
    """
    images = [Image.fromarray(film_frame(frame)).convert("RGB") for frame in frames]
    file = io.BytesIO()
    durations = [_MILLISECONDS] * (len(images) - 1) + [_PAUSE]
    images[0].save(
        file,
        "WEBP",
        save_all=True,
        append_images=images[1:],
        duration=durations,
        loop=0,
        quality=80,
        method=2,
    )
    return file.getvalue()
