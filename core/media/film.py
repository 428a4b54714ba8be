"""Pictures one after another, as one animated picture."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SIDE = 640
_MILLISECONDS = 80
_PAUSE = 1500


def film(frames: Sequence[NDArray[np.uint8]]) -> bytes:
    """Return an animated WebP that shows the frames without end, with a pause after the last.

    Parameters
    ----------
    frames : sequence of ndarray of uint8, shape (H, W) or (H, W, 3)
        All of one shape. Above 640 pixels a side they are made smaller.

    Examples
    --------
    >>> film([np.zeros((4, 4), np.uint8), np.full((4, 4), 255, np.uint8)])[8:12]
    b'WEBP'
    """
    images = []
    for frame in frames:
        image = Image.fromarray(np.ascontiguousarray(frame)).convert("RGB")
        image.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
        images.append(image)
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
