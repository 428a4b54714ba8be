"""The picture of `convolve` jobs in the dashboard's gallery."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convq.gallery.material import colours
from core import conv
from core.kernels import build
from core.kernels.gradients import SobelXParameters
from core.kernels.smoothing import GaussianParameters
from core.media import RangePolicy, to_range
from core.media.strip import strip

_SHARP = [[0.0, -2, 0], [-2, 9, -2], [0, -2, 0]]


def convolve() -> NDArray[np.uint8]:
    """Return a photograph made soft, its edges along one direction, and made sharp."""
    x = colours("coffee.png")[40:340, 100:500]
    soft = build(GaussianParameters(preset="gaussian", sigma=3), 2).stack[0]
    edges = build(SobelXParameters(preset="sobel-x"), 2).stack[0]
    return strip(
        [
            ("the photograph", x),
            ("gaussian, sigma 3", _filtered(x, soft, "clip")),
            ("sobel-x", _filtered(x, edges, "signed")),
            ("typed: 0 -2 0, -2 9 -2, 0 -2 0", _filtered(x, np.array(_SHARP), "clip")),
        ]
    )


def _filtered(x: NDArray[Any], kernel: NDArray[Any], policy: RangePolicy) -> NDArray[np.uint8]:
    planes = [
        conv.convolve(plane, kernel, "same", "reflect") for plane in np.moveaxis(x * 1.0, -1, 0)
    ]
    return to_range(np.stack(planes, axis=-1), np.uint8, policy)
