"""Writing samples: arrays and pictures, the same bytes whenever they are written."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.media import NPY, PNG, encode


def read_numbers(path: Path) -> NDArray[np.uint8]:
    """Return the rows of a gzipped CSV file of whole numbers from 0 to 255."""
    with gzip.open(path, "rt") as file:
        return np.loadtxt(file, delimiter=",").astype(np.uint8)


def patches(picture: NDArray[Any], side: int) -> Iterator[NDArray[Any]]:
    """Cut a picture into squares that do not overlap, row by row.

    Examples
    --------
    >>> [patch.tolist() for patch in patches(np.arange(6).reshape(2, 3), 2)]
    [[[0, 1], [3, 4]]]
    """
    height, width = picture.shape[:2]
    for top in range(0, height - side + 1, side):
        for left in range(0, width - side + 1, side):
            yield picture[top : top + side, left : left + side]


def write_npz(path: Path, **arrays: NDArray[Any]) -> None:
    """Write a compressed .npz."""
    write_zip(path, ((f"{name}.npy", encode(array, NPY)) for name, array in arrays.items()))


def write_pictures(path: Path, pictures: Iterable[tuple[str, NDArray[Any]]]) -> None:
    """Write a ZIP of PNGs, from pairs of name and picture."""
    write_zip(path, ((name, encode(picture, PNG)) for name, picture in pictures))


def write_zip(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    """Write a ZIP archive from pairs of name and content."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            # Without a date, so that the same content gives the same bytes.
            member = zipfile.ZipInfo(name)
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, content)
