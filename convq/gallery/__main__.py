"""Draw all pictures of the documentation: ``python -m convq.gallery docs/images``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from convq.gallery.deconvolve import deconvolve
from convq.gallery.diffuse import diffuse
from convq.gallery.explain import explain
from convq.gallery.frequency_filter import frequency_filter
from convq.gallery.irregular_convolve import irregular_convolve
from convq.gallery.match import match
from convq.gallery.series import series
from convq.gallery.spectrum import spectrum
from convq.gallery.stochastic_convolve import stochastic_convolve
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


def main(folder: Path) -> None:
    """Write each picture to a PNG called after the function that draws it."""
    folder.mkdir(parents=True, exist_ok=True)
    for picture in PICTURES:
        path = folder / f"{picture.__name__.replace('_', '-')}.png"
        path.write_bytes(encode(picture(), PNG))
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
