"""How much lies on the disk once a package and all that it needs are installed."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def installed_bytes(packages: tuple[str, ...]) -> int:
    """Return the size of packages and of what they need, without compiled Python.

    Raises
    ------
    importlib.metadata.PackageNotFoundError
        One of them is not installed.
    """
    return sum(_size(name) for name in _needed(packages))


def _needed(packages: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    open_ = [canonicalize_name(name) for name in packages]
    while open_:
        name = open_.pop()
        if name in found:
            continue
        found.add(name)
        for text in importlib.metadata.requires(name) or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                open_.append(canonicalize_name(requirement.name))
    return found


def _size(name: str) -> int:
    files = importlib.metadata.files(name) or ()
    paths = (Path(str(file.locate())) for file in files if file.suffix != ".pyc")
    return sum(path.stat().st_size for path in paths if path.is_file())
