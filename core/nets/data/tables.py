"""CSV: a header, then lines of as many fields."""

from __future__ import annotations

import csv
import io

from core.errors import InvalidInput, TooLarge, UnsupportedMedia
from core.nets.data.limits import Limits


def check_table_size(nbytes: int, limits: Limits, what: str) -> None:
    """Refuse a table that is too large to be held in memory.

    Raises
    ------
    TooLarge
        If it has more than ``limits.text`` bytes.
    """
    if nbytes > limits.text:
        raise TooLarge(
            f"{what} is too large",
            field="data",
            given=f"{nbytes} bytes",
            accepted=f"at most {limits.text}",
        )


def read_table(data: bytes, what: str) -> dict[str, list[str]]:
    r"""Return the columns of a CSV file (RFC 4180, UTF-8) by name.

    Parameters
    ----------
    data : bytes
        With or without a byte order mark. Empty lines are skipped.
    what : str
        Its name, for errors.

    Returns
    -------
    dict of str to list of str

    Raises
    ------
    UnsupportedMedia
        If it is not UTF-8, or no CSV.
    InvalidInput
        If a line has more or fewer fields than the header, two columns share a name, or there
        are no lines; names the line.

    Examples
    --------
    >>> read_table(b"text,label\ngood,1\nbad,0\n", "films.csv")
    {'text': ['good', 'bad'], 'label': ['1', '0']}
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnsupportedMedia(
            f"{what} is not UTF-8: {error.reason} at byte {error.start}", field="data"
        ) from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise UnsupportedMedia(
            f"{what} is no CSV: {error} in line {reader.line_num}", field="data"
        ) from None
    if len(rows) < 2:
        raise InvalidInput(f"{what} has no lines below its header", field="data")
    header = [name.strip() for name in rows[0][1]]
    if len(set(header)) < len(header) or "" in header:
        raise InvalidInput(
            f"{what} needs a name of its own for each column", field="data", given=header
        )
    for line, row in rows[1:]:
        if len(row) != len(header):
            raise InvalidInput(
                f"line {line} of {what} has {len(row)} fields",
                field="data",
                given=row[:10],
                accepted=f"{len(header)}: {', '.join(header)}",
            )
    columns = zip(*(row for _, row in rows[1:]), strict=True)
    return {name: list(column) for name, column in zip(header, columns, strict=True)}
