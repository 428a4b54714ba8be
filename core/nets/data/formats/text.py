"""Texts: a CSV file with a column text, and a column label or columns of numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from core.errors import InvalidInput, TooLarge
from core.nets.data import answers, words
from core.nets.data.answers import Answers
from core.nets.data.dataset import ArrayImages, Dataset
from core.nets.data.format import Format
from core.nets.data.info import DataInfo
from core.nets.data.limits import ROOM, Room
from core.nets.data.options import DataOptions
from core.nets.data.source import DataFile
from core.nets.data.tables import check_table_size, read_table

_COLUMN = "text"


def recognises(file: DataFile) -> bool:
    """Return whether its first line is a header with the column text."""
    first = file.head.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0]
    names = [name.strip().strip(b'"') for name in first.split(b",")]
    return file.archive is None and _COLUMN.encode() in names


def inspect(file: DataFile, options: DataOptions) -> DataInfo:
    """Describe it; its size and its vocabulary are known only when all of it is read."""
    return load(file, options, ROOM).info


def load(file: DataFile, options: DataOptions, room: Room) -> Dataset:
    """Read all texts."""
    texts, found = _read(file, options)
    counts, longest = _count(texts)
    length = options.words or longest
    if 4 * len(texts) * length > room.memory:
        raise TooLarge(
            "these texts take too much memory if each is as long as the longest",
            field="data.words",
            given=f"{len(texts)} texts of {length} words",
            accepted=f"at most {room.memory} bytes, 4 for a word; say how many words are enough",
        )
    known = words.vocabulary(counts, options.vocabulary)
    x = words.encode(texts, known, length)
    info = answers.describe(
        "text", len(x), x.shape[1:], str(x.dtype), found, {"vocabulary": list(known)}
    )
    return Dataset(info, ArrayImages(x), found.y)


def _read(file: DataFile, options: DataOptions) -> tuple[list[str], Answers]:
    check_table_size(file.size, file.limits, "this table of texts")
    file.file.seek(0)
    columns = read_table(file.file.read(), "the table")
    texts = columns.pop(_COLUMN)
    found = None if options.reconstruct else answers.from_columns(columns, file.limits)
    if found is None:
        raise InvalidInput(
            "texts need something to learn of them: words are no numbers to reconstruct",
            field="data",
            given="a table of texts alone",
            accepted="a column label, or columns of numbers",
        )
    return texts, found


def _count(texts: Sequence[str]) -> tuple[Counter[str], int]:
    """Return how often each word occurs, and how many the longest text has.

    The words themselves are not kept: they take ten times the memory of the texts.
    """
    counts: Counter[str] = Counter()
    longest = 0
    for row, text in enumerate(texts, 1):
        found = words.split(text)
        if not found:
            raise InvalidInput("a text without words", field="data.text", given=f"row {row}")
        counts.update(found)
        longest = max(longest, len(found))
    return counts, longest


FORMAT = Format(
    name="text",
    summary="a CSV file with the columns text and label, or text and numbers to learn",
    options=("words", "vocabulary"),
    recognises=recognises,
    inspect=inspect,
    load=load,
)
