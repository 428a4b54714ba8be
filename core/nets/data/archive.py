"""ZIP archives of strangers: what they claim is checked before anything is expanded.

Nothing is ever written to the paths that an archive names.
"""

from __future__ import annotations

import struct
import zipfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, BinaryIO, Final, cast

from core.errors import InvalidInput, TooLarge, UnsupportedMedia
from core.media.guard import HeaderReader, file_size, refusing_damaged
from core.media.types import ZIP
from core.nets.data.limits import Limits, check_expanded

_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Deflate's best is 1032 to 1; what claims more is lying.
_MAX_RATIO: Final = 1100
_ENCRYPTED: Final = 1
_LOCAL_HEADER: Final = 30
# What systems and people leave in folders without knowing.
_LITTER: Final = ("__MACOSX", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class Archive:
    """A ZIP archive that was checked.

    Attributes
    ----------
    names : tuple of str
        Its files, sorted; without folders and what systems leave in them (``.DS_Store``,
        ``Thumbs.db``, hidden files).
    folders : tuple of str
        Its folders, as far as it names them; without a slash at their ends.
    """

    names: tuple[str, ...]
    folders: tuple[str, ...]
    _members: dict[str, zipfile.ZipInfo]
    _zip: zipfile.ZipFile
    _file: BinaryIO

    def size(self, name: str) -> int:
        """Return how many bytes a file expands to."""
        return self._members[name].file_size

    def open(self, name: str) -> IO[bytes]:
        """Open a file for reading; several threads may do so."""
        with refusing_damaged(name):
            return self._zip.open(self._members[name])

    def read(self, name: str) -> bytes:
        """Return the bytes of a file, checked against their checksum."""
        with refusing_damaged(name):
            return self._zip.read(self._members[name])

    def checksum(self, name: str) -> int:
        """Return the CRC-32 that the bytes of a file should have."""
        return self._members[name].CRC

    def place(self, name: str) -> int | None:
        """Return where in the archive the bytes of a file begin, or None if it is compressed."""
        member = self._members[name]
        if member.compress_type != zipfile.ZIP_STORED:
            return None
        self._file.seek(member.header_offset)
        with refusing_damaged(name):
            # The lengths here and in the directory may differ, so those here count.
            name_length, extra = struct.unpack_from("<HH", self._file.read(_LOCAL_HEADER), 26)
        return int(member.header_offset + _LOCAL_HEADER + name_length + extra)


def open_archive(file: BinaryIO, limits: Limits) -> Archive:
    """Read the directory of a ZIP archive and check it.

    Parameters
    ----------
    file : BinaryIO
        Seekable; it must stay open while the archive is used.
    limits : Limits
        What it may hold.

    Returns
    -------
    Archive

    Raises
    ------
    UnsupportedMedia
        If it is damaged, encrypted, compressed in an unusual way, or names files outside of
        itself.
    TooLarge
        If it holds too many files, or they expand to too much.
    """
    size = file_size(file)
    reader = HeaderReader(file, limits.directory)
    with refusing_damaged(ZIP):
        opened = zipfile.ZipFile(cast("BinaryIO", reader))
    reader.lift()
    members = opened.infolist()
    if len(members) > limits.members:
        raise TooLarge(
            "the archive holds too many files",
            field="data",
            given=len(members),
            accepted=f"at most {limits.members}",
        )
    for member in members:
        _check_member(member)
    if sum(member.compress_size for member in members) > size:
        raise UnsupportedMedia("damaged archive: its files overlap", field="data")
    check_expanded(sum(member.file_size for member in members), size, limits)
    files = {_path(member): member for member in members if not member.is_dir()}
    if len(files) < sum(not member.is_dir() for member in members):
        counts = Counter(_path(member) for member in members if not member.is_dir())
        raise InvalidInput(
            "the archive holds two files of one name",
            field="data",
            given=counts.most_common(1)[0][0],
        )
    folders = {_path(member) for member in members if member.is_dir()}
    return Archive(_without_litter(files), _without_litter(folders), files, opened, file)


def _path(member: zipfile.ZipInfo) -> str:
    # Some programs write ./a/b, or a//b.
    return str(PurePosixPath(member.filename))


def _without_litter(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(
        name
        for name in sorted(names)
        if not any(part in _LITTER or part.startswith(".") for part in name.split("/"))
    )


def _check_member(member: zipfile.ZipInfo) -> None:
    path = PurePosixPath(member.filename)
    if not path.name or path.is_absolute() or ".." in path.parts or "\\" in member.filename:
        raise UnsupportedMedia(
            "the archive names a file outside of itself, or not as ZIP archives do",
            field="data",
            given=member.filename,
            accepted="relative paths with / between their parts, without ..",
        )
    if member.compress_type not in _METHODS or member.flag_bits & _ENCRYPTED:
        raise UnsupportedMedia(
            "a file of the archive is encrypted or compressed in an unusual way",
            field="data",
            given=f"{member.filename}, method {member.compress_type}",
            accepted="stored or deflated",
        )
    if member.file_size > _MAX_RATIO * max(member.compress_size, 1):
        raise UnsupportedMedia(
            f"damaged archive: {member.compress_size} bytes cannot expand to {member.file_size}",
            field="data",
            given=member.filename,
        )
