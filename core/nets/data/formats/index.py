"""A ZIP of pictures or recordings with a table ``index.csv`` that says what each of them is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

from core.errors import InvalidInput
from core.nets.data import answers
from core.nets.data.answers import Answers
from core.nets.data.dataset import Dataset
from core.nets.data.format import Format
from core.nets.data.info import DataInfo
from core.nets.data.items import Header, Items, load_items
from core.nets.data.limits import Room
from core.nets.data.media import MEDIA_OPTIONS, items_of
from core.nets.data.options import DataOptions
from core.nets.data.source import DataFile
from core.nets.data.tables import check_table_size, read_table

_INDEX: Final = "index.csv"
_FILE: Final = "file"


def recognises(file: DataFile) -> bool:
    """Return whether it is a ZIP archive with an index."""
    return bool(_indices(file))


def inspect(file: DataFile, options: DataOptions) -> DataInfo:
    """Describe it from the index and the header of the first file."""
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
    return answers.describe("index", count, first.shape, first.dtype, found, first.about)


def _indices(file: DataFile) -> list[str]:
    names = file.archive.names if file.archive else ()
    return [name for name in names if PurePosixPath(name).name == _INDEX]


def _read(file: DataFile, options: DataOptions) -> tuple[Items, Answers | None]:
    archive = file.archive
    assert archive is not None
    indices = _indices(file)
    if len(indices) > 1:
        raise InvalidInput("there is more than one index", field="data", given=indices)
    index = indices[0]
    check_table_size(archive.size(index), file.limits, index)
    columns = read_table(archive.read(index), index)
    if _FILE not in columns:
        raise InvalidInput(
            f"{index} does not say which files it tells of",
            field="data",
            given=list(columns),
            accepted="a column file; then label, or columns of numbers to learn",
        )
    folder = PurePosixPath(index).parent
    names = [str(folder / name) for name in columns.pop(_FILE)]
    _check_complete(names, set(archive.names) - {index}, index)
    items = items_of(archive, names, options, file.limits)
    found = None if options.reconstruct else answers.from_columns(columns, file.limits)
    return items, found


def _check_complete(listed: Sequence[str], there: set[str], index: str) -> None:
    """Refuse an index that does not name each file once."""
    seen: set[str] = set()
    for row, name in enumerate(listed, 1):
        if name not in there or name in seen:
            problem = "twice" if name in seen else "which is not in the archive"
            raise InvalidInput(
                f"{index} names a file {problem}", field="data.file", given=f"{name} in row {row}"
            )
        seen.add(name)
    if missing := sorted(there - seen):
        raise InvalidInput(
            f"{index} says nothing of {len(missing)} files",
            field="data.file",
            given=missing[:10],
            accepted="a row for each file of the archive",
        )


FORMAT = Format(
    name="index",
    summary="a ZIP of pictures, or WAV files, and index.csv: file and label, or file and numbers",
    options=MEDIA_OPTIONS,
    recognises=recognises,
    inspect=inspect,
    load=load,
)
