"""The pictures of the documentation can be drawn again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convq.gallery.__main__ import PICTURES


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.__name__)
def test_every_picture_can_be_drawn(picture: Any) -> None:
    drawn = picture()
    assert drawn.dtype == np.uint8
    assert drawn.shape[2] == 3
    assert min(drawn.shape[:2]) >= 200
