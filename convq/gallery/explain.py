"""The pictures of docs/explain.md."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convq.gallery.material import grey
from core import conv
from core.explain import draw_step, frequency_view, probability_view, spread_view, steps
from core.kernels import build
from core.kernels.gradients import SobelXParameters
from core.kernels.smoothing import GaussianParameters
from core.media import to_range
from core.media.strip import strip


def explain() -> NDArray[np.uint8]:
    """Return an output of a Sobel kernel as it comes about, and a Gaussian's other views."""
    x = grey("camera.png").astype(np.float64)
    tiny = x[80:224, 200:344].reshape(24, 6, 24, 6).mean(axis=(1, 3))
    sobel = build(SobelXParameters(preset="sobel-x"), 2).stack[0]
    shades = to_range(conv.convolve(tiny, sobel, "same", "reflect"), np.uint8, "signed")
    [step] = steps(tiny, sobel, first=13 * 24 + 11, every=tiny.size)
    gaussian = build(GaussianParameters(preset="gaussian", sigma=2.5), 2).stack[0]
    small = x[40:264, 120:344]
    spread = spread_view(small, gaussian, 12)
    return strip(
        [
            ("patches: sobel-x, one output", draw_step(tiny, sobel, shades.astype(float), step)),
            ("frequency: gaussian of sigma 2.5", frequency_view(small, gaussian)),
            ("probability", probability_view(small, gaussian)),
            ("diffusion: after 0, 4 and 12 steps", np.concatenate(
                [spread[0], spread[4], spread[12]], axis=1)),
        ],
        columns=1,
        height=200,
    )  # fmt: skip
