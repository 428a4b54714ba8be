"""Files that are there when they are finished, and not before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give the path of a file to write; it becomes ``path`` if the block succeeds.

    Parameters
    ----------
    path : Path
        An older file of this name is replaced.

    Yields
    ------
    Path
        In the same folder.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
