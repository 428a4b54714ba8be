"""Pieces of three photographs of surfaces, from scikit-image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convq.datasets.sample import Sample, carried

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PACKAGE = "scikit-image"
_SURFACES = ("brick", "grass", "gravel")
_SIDE = 32


def write(path: Path) -> None:
    """Write a ZIP of three folders of PNGs, 32 x 32 pixels, grey."""
    from convq.datasets.arrays import write_pictures

    write_pictures(path, _pieces())


def _pieces() -> Iterator[tuple[str, NDArray[Any]]]:
    from convq.datasets.arrays import patches
    from core.media import decode

    for surface in _SURFACES:
        picture = decode(carried(_PACKAGE, f"skimage/data/{surface}.png")).array
        for number, patch in enumerate(patches(picture, _SIDE)):
            yield f"{surface}/{number:03}.png", patch


SAMPLE = Sample(
    name="textures",
    summary="768 pieces of photographs of brick, grass and gravel, 32 x 32 pixels, grey",
    source="CC0Textures, CC0",
    package=_PACKAGE,
    extension=".zip",
    write=write,
)
