"""Zip archives that are the same bytes for the same members.

Source: PKWARE, "APPNOTE: .ZIP file format specification", 4.3.7 and 4.5.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import NamedTuple

# A line of the cache.
_ALIGNMENT = 64
_DATE = (1980, 1, 1, 0, 0, 0)
_LOCAL_HEADER = 30
_EXTRA_HEADER = 4
# "Zip alignment", a kind of extra field that Android's tools use for this, too.
_PADDING_KIND = 0xD935
_UNIX = 3
_FILE_MODE = 0o100644


class Member(NamedTuple):
    """A file in an archive.

    Attributes
    ----------
    name : str
        Its name.
    data : bytes
        What is in it.
    mapped : bool
        Whether it is stored as it is, at a multiple of 64 bytes from the archive's beginning.
    """

    name: str
    data: bytes
    mapped: bool = False


def archive(members: Sequence[Member], before: bytes = b"") -> bytes:
    """Return a zip archive.

    Parameters
    ----------
    members : sequence of Member
        In the order in which they lie in it.
    before : bytes
        What the file begins with; the line that names an interpreter.

    Examples
    --------
    >>> data = archive([Member("a", b"text"), Member("b", b"x" * 100, mapped=True)])
    >>> zipfile.ZipFile(io.BytesIO(data)).read("a"), data.index(b"x" * 100) % 64
    (b'text', 0)
    """
    file = io.BytesIO()
    file.write(before)
    with zipfile.ZipFile(file, "a") as found:
        for member in members:
            info = zipfile.ZipInfo(member.name, _DATE)
            info.create_system = _UNIX
            info.external_attr = _FILE_MODE << 16
            info.compress_type = zipfile.ZIP_STORED if member.mapped else zipfile.ZIP_DEFLATED
            if member.mapped:
                info.extra = _padding(file.tell() + _LOCAL_HEADER + len(member.name.encode()))
            found.writestr(info, member.data, compresslevel=9)
    return file.getvalue()


def _padding(end: int) -> bytes:
    """Return an extra field after which a multiple of 64 bytes is reached."""
    length = -(end + _EXTRA_HEADER) % _ALIGNMENT
    return _PADDING_KIND.to_bytes(2, "little") + length.to_bytes(2, "little") + bytes(length)
