"""Finding out what a file is, and reading it as a data set."""

from __future__ import annotations

import os

from core.errors import UnsupportedMedia
from core.nets.data.dataset import Dataset
from core.nets.data.format import Format
from core.nets.data.formats import FORMATS
from core.nets.data.info import DataInfo
from core.nets.data.limits import LIMITS, ROOM, Limits, Room
from core.nets.data.options import DataOptions, check_options
from core.nets.data.source import DataFile, Source, mapped, opened


def inspect(
    source: Source, options: DataOptions | None = None, *, limits: Limits = LIMITS
) -> DataInfo:
    """Tell what a data set holds, without its images.

    Directories, headers and labels are read, and of a table of texts everything.

    Parameters
    ----------
    source : bytes, path or seekable binary file
        Its format is found from its content. A file object stays open.
    options : DataOptions, optional
        How to read it.
    limits : Limits
        What it may hold.

    Returns
    -------
    DataInfo

    Raises
    ------
    UnsupportedMedia
        If it is of no format that convq reads, or damaged as far as one looks.
    InvalidInput
        If labels and images do not go together, or an option does not suit the format.
    TooLarge
        If it holds more than ``limits`` allow.

    Examples
    --------
    >>> import io
    >>> import numpy as np
    >>> file = io.BytesIO()
    >>> np.savez(file, x=np.zeros((4, 32, 32, 3), np.uint8), y=np.array([0, 1, 1, 1]))
    >>> found = inspect(file.getvalue())
    >>> found.shape, found.classes, found.counts
    ((3, 32, 32), ('0', '1'), (1, 3))
    """
    chosen = options or DataOptions()
    with opened(source, limits) as file:
        return _format_of(file, chosen).inspect(file, chosen)


def load(
    source: bytes | os.PathLike[str],
    options: DataOptions | None = None,
    *,
    limits: Limits = LIMITS,
    room: Room = ROOM,
) -> Dataset:
    r"""Read a data set, and check all that can be checked without decoding what does not fit.

    Parameters
    ----------
    source : bytes or path
        Its format is found from its content. A file must not change while the data set is used;
        it is mapped, so it may be removed.
    options : DataOptions, optional
        How to read it.
    limits : Limits
        What it may hold.
    room : Room
        How much memory its images may take; more are read as they are used.

    Returns
    -------
    Dataset

    Raises
    ------
    UnsupportedMedia
        If it is of no format that convq reads, or damaged; names the image.
    InvalidInput
        If labels and images do not go together, images are not alike, a number is not finite, or
        an option does not suit the format.
    TooLarge
        If it holds more than ``limits`` allow.

    Examples
    --------
    >>> data = load(b"text,label\ngood film,good\nbad film,bad\n")
    >>> data.batch([0, 1])[0].tolist(), data.classes
    ([[4, 2], [3, 2]], ('bad', 'good'))
    """
    chosen = options or DataOptions()
    file = mapped(source, limits)
    return _format_of(file, chosen).load(file, chosen, room)


def _format_of(file: DataFile, options: DataOptions) -> Format:
    for format_ in FORMATS:
        if format_.recognises(file):
            check_options(options, format_.options, format_.name)
            return format_
    given = repr(file.head[:16])
    if file.archive is not None:
        given = f"a ZIP of {', '.join(file.archive.names[:10]) or 'nothing'}"
    raise UnsupportedMedia(
        "this is no data set that convq reads",
        field="data",
        given=given,
        accepted="; ".join(format_.summary for format_ in FORMATS),
    )
