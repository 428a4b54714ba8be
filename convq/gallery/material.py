"""What the pictures are made of: photographs that ship with scikit-image, and a set page."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from convq.demo.sources import photograph

_SENTENCE = "A convolution adds up what a kernel sees of a picture at each place. "


def grey(name: str) -> NDArray[Any]:
    """Return a photograph's brightness, float32, from 0 to 255."""
    return np.asarray(_opened(name).convert("L"), np.float32)


def colours(name: str) -> NDArray[np.uint8]:
    """Return a photograph in red, green and blue."""
    return np.asarray(_opened(name).convert("RGB"))


def page() -> NDArray[Any]:
    """Return a set page of level lines, float32, 384 x 384."""
    image = Image.new("L", (384, 384), 255)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(15)
    for number, top in enumerate(range(28, 350, 22)):
        draw.text((28, top), (_SENTENCE * 2)[5 * number :][:44], fill=20, font=font)
    return np.asarray(image, np.float32)


def _opened(name: str) -> Image.Image:
    with tempfile.TemporaryDirectory(prefix="convq-") as folder:
        image = Image.open(photograph(name, Path(folder)))
        image.load()
        return image
