"""What a format of data sets is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.nets.data.dataset import Dataset
from core.nets.data.info import DataInfo
from core.nets.data.limits import Room
from core.nets.data.options import DataOptions
from core.nets.data.source import DataFile


@dataclass(frozen=True)
class Format:
    """A format of data sets; one file ends with one of these.

    Attributes
    ----------
    name : str
        As people call it.
    summary : str
        What such a file looks like, in a line.
    options : tuple of str
        The fields of `DataOptions` that say something about it.
    recognises : callable
        ``(file) -> bool``; looks at names and at the first bytes only.
    inspect : callable
        ``(file, options) -> DataInfo``, from headers and labels, without the images.
    load : callable
        ``(file, options, room) -> Dataset``.
    """

    name: str
    summary: str
    options: tuple[str, ...]
    recognises: Callable[[DataFile], bool]
    inspect: Callable[[DataFile, DataOptions], DataInfo]
    load: Callable[[DataFile, DataOptions, Room], Dataset]
