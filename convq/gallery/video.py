"""The pictures of docs/video.md."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convq.gallery.material import grey
from core.media import to_range
from core.media.strip import strip
from core.video import filtered

_FRAMES = 9


class _Passing:
    """A disk that passes before a photograph, each frame with its own noise."""

    shape = (_FRAMES, 200, 256)

    def __init__(self) -> None:
        self._ground = grey("brick.png")[:200, :256]

    def read(self, index: int) -> NDArray[Any]:
        """Return a frame."""
        rows, columns = np.mgrid[:200, :256]
        frame = self._ground + np.random.default_rng(index).normal(scale=25, size=self.shape[1:])
        frame[np.hypot(rows - 100, columns - 40 - 20 * index) < 24] = 230
        return frame


def video() -> NDArray[np.uint8]:
    """Return a frame of a noisy video, its mean over time, what moves, and a volume's mean."""
    frames = _Passing()
    middle = _FRAMES // 2
    kernels = {
        "mean of 5 frames: over time": np.full((5, 1, 1), 0.2),
        "before minus after: what moves": np.array([-1.0, 0, 1]).reshape(3, 1, 1),
        "mean of 27 values: volume": np.full((3, 3, 3), 1 / 27),
    }
    shown = [("a frame", to_range(frames.read(middle), np.uint8, "clip"))]
    for caption, kernel in kernels.items():
        found = list(filtered(frames, kernel))[middle]
        policy: Any = "signed" if kernel.min() < 0 else "clip"
        shown.append((caption, to_range(found, np.uint8, policy)))
    return strip(shown)
