"""The pictures of docs/irregular-convolve.md."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.irregular import Sampled, chart, exact, sums
from core.media.strip import strip


def irregular_convolve() -> NDArray[np.uint8]:
    """Return two functions of uneven points, and their convolution at all sums of two."""
    random = np.random.default_rng(5)
    t = np.sort(np.concatenate([[0, 10], random.uniform(0, 10, 22)]))
    f = Sampled(t, (np.sin(t) + 0.15 * t)[:, None])
    g = Sampled(np.array([0.0, 0.4, 1.1, 3.0]), np.array([[0.0], [1.0], [0.4], [0.0]]))
    at = sums(f, g)
    return strip(
        [
            ("a function, known at 24 places", chart([(f.t, f.y[:, 0])])),
            ("another, known at 4", chart([(g.t, g.y[:, 0])])),
            (f"their convolution, exact, at {len(at)} sums", chart([(at, exact(f, g, at)[:, 0])])),
        ],
        height=220,
        columns=2,
    )
