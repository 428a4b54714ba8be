"""The kinds of files that hold an image, and which of them an archive is made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

from core.errors import InvalidInput
from core.nets.data.archive import Archive
from core.nets.data.items import Items, Medium
from core.nets.data.limits import Limits
from core.nets.data.options import DataOptions, check_options
from core.nets.data.pictures import PICTURES
from core.nets.data.sound import SOUND

MEDIA: Final[tuple[Medium, ...]] = (PICTURES, SOUND)

MEDIA_OPTIONS: Final = tuple(option for medium in MEDIA for option in medium.options)

EXTENSIONS: Final = tuple(extension for medium in MEDIA for extension in medium.extensions)


def holds_image(name: str) -> bool:
    """Return whether a file's name promises an image of any kind."""
    return PurePosixPath(name).suffix.lower() in EXTENSIONS


def items_of(archive: Archive, names: Sequence[str], options: DataOptions, limits: Limits) -> Items:
    """Return files of an archive as images, all of one kind.

    Raises
    ------
    InvalidInput
        If a file is of another kind than the first, or of none, or an option says nothing about
        this kind.
    """
    kinds = {extension: medium for medium in MEDIA for extension in medium.extensions}
    medium: Medium | None = None
    for name in names:
        found = kinds.get(PurePosixPath(name).suffix.lower())
        if found is None or (medium is not None and found is not medium):
            raise InvalidInput(
                f"this archive holds a file that is not one of its {(medium or PICTURES).name}",
                field="data",
                given=name,
                accepted=medium.extensions if medium else EXTENSIONS,
            )
        medium = found
    assert medium is not None
    check_options(options, medium.options, medium.name)
    return Items(archive, names, medium, options, limits)
