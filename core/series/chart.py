"""A series and its forecast, drawn."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from core.arrays import Array, to_numpy
from core.series.arima import Forecast

_WIDTH, _HEIGHT, _MARGIN, _TEXT = 800, 320, 12, 60
_LINE: Final = (31, 78, 121)
_EXPECTED: Final = (200, 60, 40)
_BAND: Final = (250, 215, 205)
_GREY: Final = (120, 120, 120)


def chart(x: Array, forecast: Forecast | None = None) -> NDArray[np.uint8]:
    """Draw a series as a line, and a forecast with its interval behind it.

    Parameters
    ----------
    x : ndarray, shape (T,)
        The series; of a long one what comes last, twice as much as is needed to see the forecast.
        It is drawn on the host.
    forecast : Forecast, optional
        What comes next.

    Returns
    -------
    ndarray of uint8, shape (320, 800, 3)

    Examples
    --------
    >>> chart(np.arange(9.0)).shape
    (320, 800, 3)
    """
    horizon = 0 if forecast is None else len(forecast.mean)
    shown = to_numpy(x[-max(200, 4 * horizon) :])
    values = [shown] if forecast is None else [shown, forecast.low, forecast.high]
    low, high = float(min(v.min() for v in values)), float(max(v.max() for v in values))
    span = (high - low) or 1.0
    last = max(len(shown) + horizon - 1, 1)

    def places(start: int, ys: NDArray[Any]) -> list[tuple[float, float]]:
        width, height = _WIDTH - _TEXT - _MARGIN, _HEIGHT - 2 * _MARGIN
        return [
            (_TEXT + width * (start + i) / last, _MARGIN + height * (high - float(y)) / span)
            for i, y in enumerate(ys)
        ]

    image = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(12)
    for value, top in ((high, _MARGIN - 6), (low, _HEIGHT - _MARGIN - 8)):
        draw.text((4, top), f"{value:.4g}", fill=_GREY, font=font)
    if forecast is not None:
        upper, lower = (places(len(shown), edge) for edge in (forecast.high, forecast.low))
        if horizon > 1:
            draw.polygon([*upper, *reversed(lower)], fill=_BAND)
        joined = np.concatenate([shown[-1:], forecast.mean])
        draw.line(places(len(shown) - 1, joined), fill=_EXPECTED, width=2)
    draw.line(places(0, shown), fill=_LINE, width=2)
    return np.asarray(image)
