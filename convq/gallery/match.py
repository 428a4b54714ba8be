"""The pictures of docs/match.md."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convq.gallery.material import grey
from core.match import Template, best_matches, local_maxima, normalised, warp
from core.match.boxes import draw_boxes
from core.media import to_range
from core.media.strip import strip


def match() -> NDArray[np.uint8]:
    """Return one coin, the scores of all places, and all coins that look like it."""
    x = grey("coins.png").astype(np.float64)
    coin = Template(x[168:218, 78:126, None])
    scores = normalised(x[..., None], coin)
    found = []
    for number, scale in enumerate(scales := (0.8, 0.9, 1.0, 1.1, 1.25)):
        made = warp(coin, scale, 0)
        found += local_maxima(normalised(x[..., None], made), made.shape, 0.5, number)
    kept = best_matches(found, 100, 0.3)
    corners = []
    for one in kept:
        (top, left), (height, width) = one.start, one.size
        corners.append([
            (left, top), (left + width, top), (left + width, top + height), (left, top + height)
        ])  # fmt: skip
    labels = [f"{one.score:.2f}" for one in kept]
    picture = draw_boxes(to_range(x, np.uint8, "clip"), corners, labels)
    return strip(
        [
            ("one coin", to_range(coin.values[..., 0], np.uint8, "clip")),
            ("how well it fits, -1 to 1", to_range(scores, np.uint8, "signed")),
            (f"{len(kept)} matches in {len(scales)} sizes", picture),
        ],
        height=260,
    )
