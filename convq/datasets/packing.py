"""Folders and files as one file that can be uploaded: a ZIP."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

from convq.datasets.whole import whole
from core.errors import InvalidInput
from core.nets.data import DataInfo, DataOptions, inspect


def pack(paths: Sequence[Path], out: Path, options: DataOptions | None = None) -> DataInfo:
    """Put the files of a data set into a ZIP, the same bytes each time.

    Parameters
    ----------
    paths : sequence of Path
        One folder, whose content is packed; or several files and folders. Hidden files are left
        out.
    out : Path
        An older file is replaced, unless what would take its place is no data set.
    options : DataOptions, optional
        How to read it.

    Returns
    -------
    DataInfo
        What there is in it.

    Raises
    ------
    InvalidInput
        If there is no such file, two have one name, or together they are no data set.
    """
    members = _members(paths, out)
    with whole(out) as unfinished:
        # Pictures are compressed already, and what is stored as it is can be mapped.
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as archive:
            for name in sorted(members):
                with (
                    members[name].open("rb") as source,
                    archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as target,
                ):
                    shutil.copyfileobj(source, target, 1 << 20)
        return inspect(unfinished, options)


def _members(paths: Sequence[Path], out: Path) -> dict[str, Path]:
    """Return the files by their names in the archive."""
    members: dict[str, Path] = {}
    for path in paths:
        if not path.exists():
            raise InvalidInput("there is no such file", field="FILE", given=str(path))
        # Of a folder alone the name says nothing; of several each names a class.
        top = path if len(paths) == 1 and path.is_dir() else path.parent
        for file in _files(path):
            name = file.relative_to(top).as_posix()
            if name in members:
                raise InvalidInput("two files have one name", field="FILE", given=name)
            if file.resolve() != out.resolve():
                members[name] = file
    if not members:
        raise InvalidInput("there are no files", field="FILE", given=[str(path) for path in paths])
    return members


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [
        file
        for file in path.rglob("*")
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts)
    ]
