from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image

from core.media import film, sniff


def test_a_film_has_all_frames() -> None:
    data = film([np.full((700, 350, 3), level, np.uint8) for level in (0, 100, 200)])
    assert sniff(data) == "image/webp"
    with Image.open(BytesIO(data)) as image:
        assert (image.n_frames, image.size) == (3, (320, 640))
