"""A chunked array as an artifact: a listing that names the file of each chunk by its digest.

So each chunk is uploaded, verified, stored once and fetched by itself, however large the array.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from core import strict_json
from core.errors import InvalidInput, TooLarge

MAX_FILES: Final = 100_000
"""Files of one array, of about 100 bytes each in its listing."""

MAX_BYTES: Final = 32 << 20
"""Bytes of a listing."""

METADATA: Final = "zarr.json"
"""The file of the metadata of an array of Zarr version 3."""

METADATA_2: Final = ".zarray"
"""That of an array of version 2."""

_VERSION: Final = 1
_LONGEST_PATH: Final = 200
_PATH: Final = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_FORM: Final = '{"convq_zarr":1,"files":{"zarr.json":"sha256:…","c/0/0":"sha256:…",…}}'


def write(files: Mapping[str, str]) -> bytes:
    """Return the listing of a Zarr array: the same files always give the same bytes.

    Parameters
    ----------
    files : mapping of str to str
        From the path of each file, relative to the folder of the array, to its digest.

    Returns
    -------
    bytes
        JSON that begins with ``{"convq_zarr":1``, by which it is known.

    Raises
    ------
    InvalidInput
        A path or a digest is none.
    TooLarge
        There are more than ``MAX_FILES``.

    Examples
    --------
    >>> write({"zarr.json": "sha256:" + "0" * 64})[:35]
    b'{"convq_zarr":1,"files":{"zarr.json'
    """
    document = {"convq_zarr": _VERSION, "files": dict(sorted(_checked(files).items()))}
    return json.dumps(document, separators=(",", ":")).encode()


def parse(data: bytes) -> dict[str, str]:
    """Return the digest of each file of a listing, by path.

    Raises
    ------
    InvalidInput
        It is no listing; the error says what is wrong.
    TooLarge
        It is longer than ``MAX_BYTES`` or names more than ``MAX_FILES``.

    Examples
    --------
    >>> files = {"zarr.json": "sha256:" + "0" * 64}
    >>> parse(write(files)) == files
    True
    """
    if len(data) > MAX_BYTES:
        raise TooLarge(
            "the listing of this array is too long",
            field="body",
            given=f"{len(data)} bytes",
            accepted=f"at most {MAX_BYTES} bytes; fewer, larger chunks",
        )
    document = strict_json.parse(data)
    if not isinstance(document, dict) or set(document) != {"convq_zarr", "files"}:
        raise InvalidInput("no listing of an array", field="body", accepted=_FORM)
    if document["convq_zarr"] != _VERSION:
        raise InvalidInput(
            "a listing of another version",
            field="convq_zarr",
            given=document["convq_zarr"],
            accepted=_VERSION,
        )
    return _checked(document["files"])


def _checked(files: Any) -> dict[str, str]:
    if not isinstance(files, Mapping) or not files:
        raise InvalidInput("no files are listed", field="files", accepted=_FORM)
    if len(files) > MAX_FILES:
        raise TooLarge(
            "the array has too many files",
            field="files",
            given=len(files),
            accepted=f"at most {MAX_FILES}; larger chunks, or shards",
        )
    for path, digest in files.items():
        if not isinstance(path, str) or not _is_path(path):
            raise InvalidInput(
                "no path of a file in an array",
                field="files",
                given=path,
                accepted="at most 200 letters, digits and _.- between slashes, no .. among them",
            )
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise InvalidInput(
                "no digest",
                field=f"files.{path}",
                given=digest,
                accepted='"sha256:" and 64 lower-case hexadecimal digits',
            )
    return dict(files)


def _is_path(path: str) -> bool:
    within = _PATH.fullmatch(path) is not None and len(path) <= _LONGEST_PATH
    return within and not {".", ".."} & set(path.split("/"))
