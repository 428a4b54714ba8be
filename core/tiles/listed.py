"""A listed array as every job that computes a tile of it needs it, read once by each process."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import TooLarge
from core.store.artifacts import ArtifactStore
from core.tiles.header import Header, read_header
from core.tiles.listing import parse

# An array has up to 100,000 files; a worker computes many tiles of few arrays.
_MOST = 4
_MOST_SMALL = 1 << 20


@dataclass(frozen=True)
class Listed:
    """The files of an array by their paths, and its header."""

    files: dict[str, str]
    header: Header


def listed(artifacts: ArtifactStore, digest: str) -> Listed:
    """Return what an artifact lists; whoever asks has the right to it.

    Raises
    ------
    InvalidInput
        It is no listing, or no array that is read.
    NotFound
        Its metadata is not stored.
    """
    found = _KNOWN.get(digest)
    if found is None:
        files = parse(artifacts.read(digest))
        found = Listed(files, read_header(files, lambda part: read_small(artifacts, part)))
        for old in list(_KNOWN)[: len(_KNOWN) - _MOST + 1]:
            _KNOWN.pop(old, None)
        _KNOWN[digest] = found
    return found


def read_small(artifacts: ArtifactStore, digest: str) -> bytes:
    """Return the bytes of an artifact that should be small, verified.

    Raises
    ------
    TooLarge
        It is not, and would have to be held in memory.
    """
    artifact = artifacts.get(digest)
    if artifact.size > _MOST_SMALL:
        raise TooLarge(
            "the metadata of this array is too long",
            field="files",
            given=f"{artifact.size} bytes",
            accepted=f"at most {_MOST_SMALL} bytes",
        )
    return artifacts.read(digest)


_KNOWN: dict[str, Listed] = {}
