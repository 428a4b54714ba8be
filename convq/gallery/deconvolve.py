"""The pictures of docs/deconvolve.md."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve, gaussian_filter

from convq.gallery.material import grey
from core.deconvolution import gaussian_width, inverse, richardson_lucy, wiener
from core.kernels import build
from core.kernels.smoothing import GaussianParameters
from core.media import to_range
from core.media.strip import strip


def deconvolve() -> NDArray[np.uint8]:
    """Return a blurred photograph made sharp in each way, and one whose blur is not known."""
    x = grey("camera.png")[40:296, 100:356]
    kernel = build(GaussianParameters(preset="gaussian", sigma=2), 2).stack[0]
    noise = np.random.default_rng(0).normal(scale=1, size=x.shape).astype(np.float32)
    y = convolve(x, kernel.astype(np.float32)) + noise
    wide = gaussian_filter(grey("coins.png")[40:296, 100:356], 1.5)
    sigma = gaussian_width(wide)
    guessed = build(GaussianParameters(preset="gaussian", sigma=sigma), 2).stack[0]
    shown: list[tuple[str, Any]] = [
        ("blurred, sigma 2, with noise", y),
        ("wiener, noise 0.002", wiener(y, kernel, [0, 1], 0.002)),
        ("inverse, regularisation 0.002", inverse(y, kernel, [0, 1], 0.002)),
        ("richardson-lucy, 30 steps", richardson_lucy(np.maximum(y, 0), kernel, [0, 1], 30)),
        ("blurred, sigma 1.5", wide),
        (f"estimated: sigma {sigma:.2f}; wiener", wiener(wide, guessed, [0, 1], 0.0003)),
    ]
    return strip([(caption, to_range(u, np.uint8, "clip")) for caption, u in shown], columns=3)
