"""Functions of uneven points, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from core.arrays import Array, to_numpy

_WIDTH, _HEIGHT, _MARGIN, _TEXT = 800, 320, 16, 60
_COLOURS: Final = ((31, 78, 121), (200, 60, 40), (40, 130, 60), (130, 80, 160))
_GREY: Final = (120, 120, 120)
# Points in sight beyond which single ones cannot be told apart.
_DOTS = 80


def chart(
    curves: Sequence[tuple[Array, Array]],
) -> NDArray[np.uint8]:
    """Draw curves as lines, with a dot at each point where there are few.

    Parameters
    ----------
    curves : sequence of (t, y)
        Abscissae, ascending, and values; drawn on the host.

    Returns
    -------
    ndarray of uint8, shape (320, 800, 3)

    Examples
    --------
    >>> chart([(np.arange(3.0), np.ones(3))]).shape
    (320, 800, 3)
    """
    curves = [(to_numpy(t), to_numpy(y)) for t, y in curves]
    ts = np.concatenate([t for t, _ in curves])
    ys = np.concatenate([y for _, y in curves])
    left, right = float(ts.min()), float(ts.max())
    low, high = float(ys.min()), float(ys.max())
    across = (_WIDTH - _TEXT - _MARGIN) / ((right - left) or 1)
    up = (_HEIGHT - 3 * _MARGIN) / ((high - low) or 1)
    image = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(12)
    bottom = _HEIGHT - _MARGIN - 4
    for value, at in (
        (high, (4, _MARGIN - 6)),
        (low, (4, bottom - 22)),
    ):
        draw.text(at, f"{value:.4g}", fill=_GREY, font=font)
    draw.text((_TEXT, bottom), f"{left:.4g}", fill=_GREY, font=font)
    draw.text((_WIDTH - _MARGIN, bottom), f"{right:.4g}", fill=_GREY, font=font, anchor="ra")
    for number, (t, y) in enumerate(curves):
        colour = _COLOURS[number % len(_COLOURS)]
        places = [
            (_TEXT + across * float(a - left), _MARGIN + up * float(high - b))
            for a, b in zip(t, y, strict=True)
        ]
        draw.line(places, fill=colour, width=2)
        if len(places) <= _DOTS:
            for x, height in places:
                draw.ellipse((x - 3, height - 3, x + 3, height + 3), fill=colour)
    return np.asarray(image)
