"""The pictures of docs/series.md."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from core.media.strip import strip
from core.series import fit_arima
from core.series.chart import chart


def series() -> NDArray[np.uint8]:
    """Return two made series with what is expected next."""
    noise = np.random.default_rng(4).normal(size=400)
    swinging = 20 + lfilter([1.0], [1.0, -1.6, 0.8], noise)[100:]
    walking = np.cumsum(lfilter([1.0, 0.5], [1.0, -0.4], noise[:300]))
    return strip(
        [
            ("order (2, 0, 0): 40 values ahead, 95 %",
             chart(swinging, fit_arima(swinging, 2, 0, 0).forecast(40))),
            ("order (1, 1, 1): 40 values ahead, 95 %",
             chart(walking, fit_arima(walking, 1, 1, 1).forecast(40))),
        ],
        height=220,
        columns=2,
    )  # fmt: skip
