"""A ZIP of folders that are named after the class of the pictures or recordings in them."""

from __future__ import annotations

import os

from core.errors import InvalidInput
from core.nets.data import answers
from core.nets.data.answers import Answers
from core.nets.data.archive import Archive
from core.nets.data.dataset import Dataset
from core.nets.data.format import Format
from core.nets.data.info import DataInfo
from core.nets.data.items import Header, Items, load_items
from core.nets.data.limits import Limits, Room
from core.nets.data.media import MEDIA_OPTIONS, holds_image, items_of
from core.nets.data.options import DataOptions
from core.nets.data.source import DataFile


def recognises(file: DataFile) -> bool:
    """Return whether it is a ZIP archive with pictures or recordings in it."""
    return file.archive is not None and any(map(holds_image, file.archive.names))


def inspect(file: DataFile, options: DataOptions) -> DataInfo:
    """Describe it from the names of the files and the header of the first."""
    items, found = _read(file, options)
    return _described(items, items.describe(0), found)


def load(file: DataFile, options: DataOptions, room: Room) -> Dataset:
    """Check every file, and decode all of them if there is room."""
    items, found = _read(file, options)
    first = items.describe(0)
    info = _described(items, first, found)
    images = load_items(items, first, room)
    return Dataset(info, images, None if found is None else found.y)


def _described(items: Items, first: Header, found: Answers | None) -> DataInfo:
    count = len(items.names)
    return answers.describe("folders", count, first.shape, first.dtype, found, first.about)


def _read(file: DataFile, options: DataOptions) -> tuple[Items, Answers | None]:
    assert file.archive is not None
    items = items_of(file.archive, file.archive.names, options, file.limits)
    return items, None if options.reconstruct else _labels(file.archive, file.limits)


def _labels(archive: Archive, limits: Limits) -> Answers | None:
    """Return the labels, or None if all images lie in one folder."""
    holding = {os.path.dirname(name) for name in archive.names}  # noqa: PTH120
    empty = {
        folder
        for folder in archive.folders
        if not any(other == folder or other.startswith(f"{folder}/") for other in holding)
    }
    top = os.path.commonpath(holding | empty)
    below = [name.removeprefix(top).lstrip("/").split("/") for name in archive.names]
    if all(len(parts) == 1 for parts in below):
        return None
    for name, parts in zip(archive.names, below, strict=True):
        if len(parts) != 2:
            raise InvalidInput(
                "the folder of an image names its class, so every image lies in one folder",
                field="data",
                given=name,
                accepted="class/file; all of them may lie in one more folder",
            )
    found = answers.from_names([folder for folder, _ in below], limits)
    assert found.classes is not None
    unused = sorted(folder.removeprefix(top).lstrip("/") for folder in empty)
    answers.check_populated([*found.classes, *unused], [1] * len(found.classes) + [0] * len(unused))
    return found


FORMAT = Format(
    name="folders",
    summary="a ZIP of folders named after the classes of the pictures, or WAV files, in them",
    options=MEDIA_OPTIONS,
    recognises=recognises,
    inspect=inspect,
    load=load,
)
