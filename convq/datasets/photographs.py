"""Pieces of photographs in colour, without labels, from scikit-image."""

from __future__ import annotations

from pathlib import Path

from convq.datasets.sample import Sample, carried

_PACKAGE = "scikit-image"
_PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
_SIDE = 32


def write(path: Path) -> None:
    """Write x (N, 32, 32, 3)."""
    import numpy as np

    from convq.datasets.arrays import patches, write_npz
    from core.media import decode

    pictures = (decode(carried(_PACKAGE, f"skimage/data/{name}")).array for name in _PHOTOGRAPHS)
    write_npz(path, x=np.stack([p for picture in pictures for p in patches(picture, _SIDE)]))


SAMPLE = Sample(
    name="photographs",
    summary="858 pieces of photographs in colour, 32 x 32 pixels, without labels",
    source="NASA (public domain); S. van der Walt, R. Michel, SpaceX (CC0)",
    package=_PACKAGE,
    extension=".npz",
    write=write,
)
