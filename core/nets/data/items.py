"""Images in files of an archive: checked, decoded on all cores, kept as far as there is room."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO, Final, cast

import numpy as np
from numpy.typing import NDArray

from core.conv.blocks import cores, for_each, never
from core.errors import ConvqError, InvalidInput, UnsupportedMedia
from core.nets.data.archive import Archive
from core.nets.data.checks import check_finite
from core.nets.data.dataset import ArrayImages, Images
from core.nets.data.limits import Limits, Room
from core.nets.data.options import DataOptions

# Files that a thread takes at a time: one alone is less work than handing it over.
_AT_A_TIME: Final = 8


@dataclass(frozen=True)
class Header:
    """What a file's header says of its image.

    Attributes
    ----------
    shape : tuple of int
        Channels first.
    dtype : str
        Of the image.
    about : dict
        What all files must have in common beside these.
    """

    shape: tuple[int, ...]
    dtype: str
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Medium:
    """A kind of file that holds an image: pictures, or sound.

    Attributes
    ----------
    name : str
        What there are, for errors.
    extensions : tuple of str
        What such files end in.
    options : tuple of str
        The fields of `DataOptions` that say something about them.
    advice : str
        What makes images alike that differ.
    describe : callable
        ``(file, options, limits) -> Header``, from the header.
    decode : callable
        ``(bytes, options, limits) -> image``, as its header says.
    """

    name: str
    extensions: tuple[str, ...]
    options: tuple[str, ...]
    advice: str
    describe: Callable[[BinaryIO, DataOptions, Limits], Header]
    decode: Callable[[bytes, DataOptions, Limits], NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Items:
    """Files of an archive that hold an image each.

    Attributes
    ----------
    archive : Archive
        Where they are.
    names : sequence of str
        Which, in the order of the images.
    medium : Medium
        What they are.
    options : DataOptions
        How they are read.
    limits : Limits
        What each may be.
    """

    archive: Archive
    names: Sequence[str]
    medium: Medium
    options: DataOptions
    limits: Limits

    def describe(self, index: int) -> Header:
        """Read the header of one file."""
        name = self.names[index]
        with _about(name), self.archive.open(name) as file:
            return self.medium.describe(cast("BinaryIO", file), self.options, self.limits)

    def decode(self, index: int, expected: Header) -> NDArray[Any]:
        """Read one file, whose header must be like the first one's."""
        name = self.names[index]
        with _about(name):
            data = self.archive.read(name)
            header = self.medium.describe(io.BytesIO(data), self.options, self.limits)
        self._check_alike(index, header, expected)
        with _about(name):
            image = self.medium.decode(data, self.options, self.limits)
            check_finite(image[None], "data")
        return image

    def check(self, index: int, expected: Header) -> None:
        """Read the header of one file, which must be like the first one's."""
        self._check_alike(index, self.describe(index), expected)

    def _check_alike(self, index: int, header: Header, expected: Header) -> None:
        if header != expected:
            raise InvalidInput(
                "two images are not alike",
                field="data",
                given=f"{self.names[0]}: {_shown(expected)}; {self.names[index]}: {_shown(header)}",
                accepted=f"images of one shape and dtype; {self.medium.advice}",
            )


def load_items(items: Items, first: Header, room: Room) -> Images:
    """Check all images, and decode them if there is room for them.

    Parameters
    ----------
    items : Items
        The files.
    first : Header
        Of the first of them.
    room : Room
        How many bytes the decoded images may take.

    Returns
    -------
    Images

    Raises
    ------
    InvalidInput
        If two images are not alike; names both.
    UnsupportedMedia
        If an image cannot be read; names it.
    """
    count = len(items.names)
    image = int(np.prod(first.shape)) * np.dtype(first.dtype).itemsize
    if count * image <= room.memory:
        array = np.empty((count, *first.shape), first.dtype)
        _on_all_cores(partial(_decode_into, items, first, array), count)
        return ArrayImages(array)
    _on_all_cores(partial(items.check, expected=first), count)
    return StreamedImages(items, first, room.memory // image)


@dataclass(frozen=True, eq=False)
class StreamedImages:
    """Images that are decoded when they are wanted.

    Those that come first are kept until there is no room. In training every image is wanted once
    per epoch, in another order each time; so a cache that replaces what was not used for long
    would always replace what is wanted next, and one that replaces nothing serves its share.

    Attributes
    ----------
    items : Items
        The files.
    header : Header
        What each of them is.
    most : int
        How many images may be kept.
    """

    items: Items
    header: Header
    most: int
    _kept: dict[int, NDArray[Any]] = field(default_factory=dict)

    def take(self, indices: NDArray[np.intp]) -> NDArray[Any]:
        """Return these images; see `core.nets.data.dataset.Images`."""
        out = np.empty((len(indices), *self.header.shape), self.header.dtype)

        def fill(place: int) -> None:
            index = int(indices[place])
            image = self._kept.get(index)
            if image is None:
                image = self.items.decode(index, self.header)
                if len(self._kept) < self.most:
                    self._kept[index] = image
            out[place] = image

        _on_all_cores(fill, len(indices))
        return out


def _decode_into(items: Items, header: Header, array: NDArray[Any], index: int) -> None:
    array[index] = items.decode(index, header)


def _on_all_cores(work: Any, count: int) -> None:
    def some(start: int) -> None:
        for index in range(start, min(start + _AT_A_TIME, count)):
            work(index)

    for_each(some, range(0, count, _AT_A_TIME), never, cores())


@contextmanager
def _about(name: str) -> Iterator[None]:
    """Name the file in every error, also those of the archive itself."""
    try:
        yield
    except ConvqError as error:
        raise type(error)(
            f"{name}: {error.message}", field="data", given=error.given, accepted=error.accepted
        ) from error
    except Exception as error:  # zipfile and zlib raise several, as decoders do.
        raise UnsupportedMedia(
            f"{name} cannot be read: {str(error) or type(error).__name__}", field="data"
        ) from error


def _shown(header: Header) -> str:
    about = "".join(f", {name} {value}" for name, value in header.about.items())
    return f"{header.dtype} {header.shape}{about}"
