"""The files that the arguments name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from convq.client.arrays import is_array
from core.errors import InvalidInput


def expand(paths: Sequence[Path]) -> list[Path]:
    """Return the files, with each folder replaced by the visible files in it, by name.

    A folder that holds a Zarr array is one input, as a file is.

    Raises
    ------
    InvalidInput
        If there is no such file, or a folder holds none.
    """
    found: list[Path] = []
    for path in paths:
        if is_array(path):
            found.append(path)
        elif path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))
            if not inside:
                raise InvalidInput("the folder holds no files", field="FILE", given=str(path))
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise InvalidInput("there is no such file", field="FILE", given=str(path))
    return found
