"""Packs: files that hold several small artifacts, one after another.

Small jobs that run together have results of a few KiB each. In one file they are synced at once,
and the disk makes one file instead of many. In place of the key of a file of its own such an
artifact has that of the pack, and where in it the bytes are: ``packs/ab/ab12…@0+512``.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from itertools import accumulate
from typing import NamedTuple

FOLDER = "packs/"


class Part(NamedTuple):
    """A stretch of a pack.

    Attributes
    ----------
    file : str
        Key of the pack.
    start, size : int
        Bytes.
    """

    file: str
    start: int
    size: int


def new_pack() -> str:
    """Return a key for a new pack."""
    nonce = secrets.token_hex(16)
    return f"{FOLDER}{nonce[:2]}/{nonce}"


def keys_in(pack: str, sizes: Iterable[int]) -> list[str]:
    """Return the keys of artifacts of these sizes that follow each other in a pack.

    Examples
    --------
    >>> keys_in("packs/ab/ab12", [512, 80])
    ['packs/ab/ab12@0+512', 'packs/ab/ab12@512+80']
    """
    sizes = list(sizes)
    starts = accumulate(sizes, initial=0)
    return [f"{pack}@{start}+{size}" for start, size in zip(starts, sizes, strict=False)]


def part_of(key: str) -> Part | None:
    """Return where in a pack the bytes of a key are; None if they have a file of their own.

    Examples
    --------
    >>> part_of("packs/ab/ab12@512+80")
    Part(file='packs/ab/ab12', start=512, size=80)
    >>> part_of("sha256/e3/e3b0c442.5d41402a") is None
    True
    """
    file, at, stretch = key.partition("@")
    if not at:
        return None
    start, _, size = stretch.partition("+")
    return Part(file, int(start), int(size))


def file_of(key: str) -> str:
    """Return the key of the file that holds the bytes of a key.

    Examples
    --------
    >>> file_of("packs/ab/ab12@512+80")
    'packs/ab/ab12'
    """
    return key.partition("@")[0]
