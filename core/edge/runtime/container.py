"""A bundle's file: a zip archive whose manifest is signed and names the digests of all others.

A standalone bundle is a zip archive too: the program, and the bundle as one stored member.
"""

import json
import zipfile
import zlib
from typing import Any, Optional, Tuple

from core.edge.runtime.digests import sha256
from core.edge.runtime.ed25519 import verify
from core.edge.runtime.errors import Damaged, EdgeError

FORMAT = 2
MANIFEST, SIGNATURE = "manifest.json", "signature.json"
CODE, TABLES, WEIGHTS, SAMPLES = "code.bin", "tables.bin", "weights.bin", "samples.bin"
INNER = "model.convq"
# Signed in front of the manifest, so that the signature means nothing in another place.
CONTEXT = b"convq bundle\0"

_LOCAL_HEADER = 30
_MOST_BYTES = 1 << 30
_UNREADABLE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    EOFError,
    KeyError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    zlib.error,
)


class Container:
    """An open bundle whose signature and digests have been checked.

    Parameters
    ----------
    path : str
        A bundle, or a standalone bundle.
    trusted : bytes, optional
        The public key that must have signed it; without it any key will do, and only damage is
        found.

    Attributes
    ----------
    path : str
        As given.
    manifest : dict
        What was signed.
    key : bytes
        The public key of the signature.

    Raises
    ------
    Damaged
        The file is no bundle, is cut short or changed, or is signed by another key.
    """

    def __init__(self, path: str, trusted: "Optional[bytes]" = None) -> None:
        self.path = path
        try:
            self._file = open(path, "rb")  # noqa: SIM115 - until close()
        except FileNotFoundError:
            raise EdgeError("there is no such file", "bundle", given=path) from None
        try:
            self._start, self._archive = _opened(self._file)
            self.manifest, self.key = self._signed(trusted)
            for name in (WEIGHTS, TABLES, SAMPLES, CODE):
                self.read(name)
        except _UNREADABLE as error:
            self._file.close()
            raise Damaged(
                "this is no bundle, or a damaged one ({})".format(error), "bundle", given=path
            ) from None
        except EdgeError:
            self._file.close()
            raise

    def read(self, name: str) -> bytes:
        """Return the bytes of a member, which are those that were signed.

        Raises
        ------
        Damaged
            They are others.
        """
        expected = self.manifest["files"][name]
        data = self._member(name)
        if len(data) != expected["bytes"] or sha256(data).hexdigest() != expected["sha256"]:
            raise Damaged("a member is not what was signed", "bundle." + name, given=self.path)
        return data

    def place(self, name: str) -> int:
        """Return where a stored member begins in the file, in bytes."""
        info = self._archive.getinfo(name)
        return self._start + _data_offset(self._file, info, self._start)

    def close(self) -> None:
        """Close the file."""
        self._archive.close()
        self._file.close()

    def _member(self, name: str) -> bytes:
        if self._archive.getinfo(name).file_size > _MOST_BYTES:
            raise Damaged("a member is larger than any model", "bundle." + name, given=self.path)
        return self._archive.read(name)

    def _signed(self, trusted: "Optional[bytes]") -> "tuple[dict[str, Any], bytes]":
        text = self._member(MANIFEST)
        signature = json.loads(self._member(SIGNATURE).decode("ascii"))
        key, value = (bytes.fromhex(signature[part]) for part in ("key", "signature"))
        if trusted is not None and key != trusted:
            raise Damaged(
                "signed by another key", "bundle", given=key.hex(), accepted=trusted.hex()
            )
        if not verify(key, CONTEXT + text, value):
            raise Damaged("the signature is not that of the manifest", "bundle", given=self.path)
        manifest = json.loads(text.decode("utf-8"))
        if manifest["format"] != FORMAT:
            raise Damaged(
                "a bundle of another format",
                "bundle.format",
                given=manifest["format"],
                accepted=FORMAT,
            )
        return manifest, key


class _Window:
    """A part of a file, as a file of its own."""

    def __init__(self, file: "Any", start: int, length: int) -> None:
        self._file, self._start, self._length, self._at = file, start, length, 0

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._length)[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._length - self._at)
        self._file.seek(self._start + self._at)
        data = self._file.read(left if size is None or size < 0 else min(size, left))
        self._at += len(data)
        return data  # type: ignore[no-any-return]


def bundle_in(path: str) -> bytes:
    """Return the bytes of the bundle that a file is, or has the program around.

    Whether they are whole is not looked at: `Container` does that.
    """
    with open(path, "rb") as file:
        data = file.read()
        try:
            outer = zipfile.ZipFile(file)
            return outer.read(INNER) if INNER in outer.namelist() else data
        except _UNREADABLE:
            return data


def _opened(file: "Any") -> "Tuple[int, zipfile.ZipFile]":
    """Return where the bundle begins in the file, and its archive."""
    outer = zipfile.ZipFile(file)
    if INNER not in outer.namelist():
        return 0, outer
    info = outer.getinfo(INNER)
    start = _data_offset(file, info, 0)
    window = _Window(file, start, info.file_size)  # type: Any
    return start, zipfile.ZipFile(window)


def _data_offset(file: "Any", info: zipfile.ZipInfo, start: int) -> int:
    # The header before the bytes may be longer than the one in the directory.
    file.seek(start + info.header_offset)
    header = file.read(_LOCAL_HEADER)
    name, extra = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    return int(info.header_offset + _LOCAL_HEADER + name + extra)
