"""The pictures of docs/diffuse.md."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convq.gallery.material import grey
from core.diffusion import perona_malik, propagate
from core.media import to_range
from core.media.strip import strip


def diffuse() -> NDArray[np.uint8]:
    """Return a noisy photograph after heat and after diffusion around edges, for two times."""
    noise = np.random.default_rng(0).normal(scale=15, size=(303, 384)).astype(np.float32)
    x = grey("coins.png") + noise
    shown: list[tuple[str, Any]] = [("coins, with noise", x)]
    shown += [(f"heat, time {time}", propagate(x, time, [0, 1])) for time in (2, 20)]
    for time in (5, 40):
        calm = perona_malik(x, time, 10, [0, 1], smooth=1)
        shown.append((f"perona-malik, time {time}", calm))
    levels = [(caption, to_range(u, np.uint8, "clip")) for caption, u in shown]
    return strip(levels, columns=3, height=220)
