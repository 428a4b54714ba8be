"""Draw the pictures of the documentation and of the dashboard's gallery, and write its samples.

``python -m convq.gallery docs/images api/dashboard/static/gallery``
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from PIL import Image

from convq.gallery.convolve import convolve
from convq.gallery.deconvolve import deconvolve
from convq.gallery.diffuse import diffuse
from convq.gallery.explain import explain
from convq.gallery.frequency_filter import frequency_filter
from convq.gallery.irregular_convolve import irregular_convolve
from convq.gallery.match import match
from convq.gallery.samples import SAMPLES
from convq.gallery.series import series
from convq.gallery.spectrum import spectrum
from convq.gallery.stochastic_convolve import stochastic_convolve
from convq.gallery.train import train
from convq.gallery.video import video
from core.media import PNG, encode

PICTURES: Final[tuple[Callable[[], Any], ...]] = (
    spectrum,
    frequency_filter,
    diffuse,
    match,
    stochastic_convolve,
    series,
    deconvolve,
    irregular_convolve,
    video,
    explain,
)


_ON_THE_PAGE: Final = (convolve, train, *PICTURES)
# Widest, in pixels: of a screen with two for one, half the page.
_WIDE: Final = 1100


def main(documentation: Path, page: Path) -> None:
    """Write each picture to a file called after the function that draws it, and the samples."""
    for folder in (documentation, page):
        folder.mkdir(parents=True, exist_ok=True)
    for picture in _ON_THE_PAGE:
        drawn, name = picture(), picture.__name__.replace("_", "-")
        _write(page / f"{name}.webp", _small(drawn))
        if picture in PICTURES:
            _write(documentation / f"{name}.png", encode(drawn, PNG))
    for name, make in SAMPLES.items():
        _write(page / name, make())


def _small(drawn: Any) -> bytes:
    image, file = Image.fromarray(drawn), io.BytesIO()
    image.thumbnail((_WIDE, _WIDE))
    image.save(file, "WEBP", quality=80, method=6)
    return file.getvalue()


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
