"""A listed array as every job that computes a tile of it needs it, read once by each process."""

from __future__ import annotations

from dataclasses import dataclass

from core.store.artifacts import ArtifactStore
from core.tiles.header import Header, read_header
from core.tiles.listing import parse

# An array has up to 100,000 files; a worker computes many tiles of few arrays.
_MOST = 4


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
        found = Listed(files, read_header(files, artifacts.read))
        for old in list(_KNOWN)[: len(_KNOWN) - _MOST + 1]:
            _KNOWN.pop(old, None)
        _KNOWN[digest] = found
    return found


_KNOWN: dict[str, Listed] = {}
