"""What a data set may take, checked before anything is expanded or decoded."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

from core.errors import TooLarge


@dataclass(frozen=True)
class Limits:
    """The most that a data set may hold.

    Attributes
    ----------
    members : int
        Files in an archive.
    directory : int
        Bytes of an archive's directory and other headers.
    expanded : int
        Bytes of all files of an archive together, expanded.
    ratio : int
        How many times larger than the archive they may be, once they exceed ``harmless`` bytes.
    harmless : int
        Bytes that any archive may expand to.
    pixels : int
        H * W of one picture as it is stored.
    text : int
        Bytes of a table of texts or of an index.
    classes : int
        Different labels.
    answers : int
        Numbers in all labels or targets together, which are held in memory.
    """

    members: int = 1 << 18
    directory: int = 64 << 20
    expanded: int = 1 << 36
    ratio: int = 100
    harmless: int = 1 << 30
    pixels: int = 1 << 26
    text: int = 1 << 27
    classes: int = 1 << 16
    answers: int = 1 << 26


LIMITS = Limits()


@dataclass(frozen=True)
class Room:
    """Where a data set may lie while it is used.

    Attributes
    ----------
    memory : int
        Bytes that decoded images may take; a data set that needs more is read as it is used.
    scratch : Path, optional
        A folder for what must be expanded and does not fit; by default the system's.
    """

    memory: int = 1 << 30
    scratch: Path | None = None


ROOM = Room()


def check_answers(shape: tuple[int, ...], limits: Limits) -> None:
    """Refuse labels or targets that are too many, before they are read.

    Parameters
    ----------
    shape : tuple of int
        Of the array.
    limits : Limits
        What is allowed.

    Raises
    ------
    TooLarge
        If it has more than ``limits.answers`` numbers.

    Examples
    --------
    >>> check_answers((60_000,), LIMITS)
    """
    if prod(shape) > limits.answers:
        raise TooLarge(
            "too many labels or targets",
            field="data.y",
            given=f"{' x '.join(map(str, shape))} = {prod(shape)}",
            accepted=f"at most {limits.answers} numbers",
        )


def check_expanded(expanded: int, size: int, limits: Limits) -> None:
    """Refuse what expands to too much, from what its headers say.

    Parameters
    ----------
    expanded : int
        Bytes after.
    size : int
        Bytes before.
    limits : Limits
        What is allowed.

    Raises
    ------
    TooLarge
        If it is more than ``limits.expanded``, or as much as only a bomb would be.

    Examples
    --------
    >>> check_expanded(4000, 10, LIMITS)
    """
    most = min(limits.expanded, max(limits.harmless, limits.ratio * size))
    if expanded > most:
        raise TooLarge(
            "the data set expands to too much",
            field="data",
            given=f"{size} bytes that become {expanded}",
            accepted=f"at most {most}",
        )
