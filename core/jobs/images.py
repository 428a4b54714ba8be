"""The inputs of a job as images for a net: pictures, sounds, arrays, texts and whole data sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidInput, UnsupportedMedia
from core.media import NPY, NPZ, PICTURES, SNIFF_BYTES, WAV, decode, sniff
from core.media import inspect as inspect_media
from core.nets.data import LIMITS, DataInfo, DataOptions, Dataset, Room, pictures, sound, words
from core.nets.data import inspect as inspect_data
from core.nets.data import load as load_data
from core.nets.data.checks import as_images, check_dtype, check_finite, native
from core.nets.data.dataset import ArrayImages
from core.nets.data.items import Medium
from core.nets.data.options import check_options
from core.nets.data.tables import check_table_size, read_table
from core.nets.model import Model

_MEDIA: dict[str, Medium] = dict.fromkeys(PICTURES, pictures.PICTURES) | {WAV: sound.SOUND}
_ARRAYS = (NPY, NPZ)
_TEXT = "text"


class Reader:
    """Reads inputs as the images that a model takes.

    Parameters
    ----------
    model : Model
        Its net says what shape an image has; what is known of its data, the sample rate of sounds
        and the numbers of words.
    reading : DataOptions, optional
        How to read inputs; by default as the data set was read that the model learned from, as
        far as that says something about an input.

    Examples
    --------
    >>> import io
    >>> import numpy as np
    >>> from core.nets.spec import NetSpec
    >>> layers = [{"layer": "flatten"}, {"layer": "dense", "features": 2}]
    >>> model = Model(NetSpec.model_validate({"input": [1, 4, 4], "layers": layers}), {})
    >>> file = io.BytesIO()
    >>> np.save(file, np.zeros((5, 4, 4), np.uint8))
    >>> Reader(model).describe(file)
    (5, 80)
    """

    def __init__(self, model: Model, reading: DataOptions | None = None) -> None:
        self._shape = model.network.input_shape
        self._about = model.about.get("data", {})
        self._given = reading
        learned_from = model.about.get("lineage", {}).get("spec", {}).get("reading", {})
        self._learned = DataOptions.model_validate(learned_from)

    def describe(self, file: BinaryIO) -> tuple[int, int]:
        """Return how many images a file holds, and how many bytes they take.

        Headers are read, and of a table of texts everything.

        Raises
        ------
        InvalidInput
            They are no images for the net; or the file is of no format that convq reads
            (`core.errors.UnsupportedMedia`).
        TooLarge
            It holds too much.
        """
        media_type = _media_type(file)
        if media_type in _MEDIA:
            medium = _MEDIA[media_type]
            header = medium.describe(file, self._options(medium.options, medium.name), LIMITS)
            info = DataInfo(medium.name, 1, header.shape, header.dtype, "reconstruction")
            self._check(info.shape, header.about)
        elif self._is_text(media_type):
            info = self._texts(_read(file)).info
        elif media_type in _ARRAYS and (found := inspect_media(file)).shape is not None:
            assert found.dtype is not None
            array = np.broadcast_to(np.zeros((), found.dtype), found.shape)
            info = self._array(array).info
        else:
            info = inspect_data(file, self._for_data_set(media_type))
            self._check(info.shape, info.about)
        return info.count, info.nbytes

    def load(self, path: Path, room: Room) -> Dataset:
        """Return the images of a file; what does not fit into ``room`` is read as it is used.

        Raises
        ------
        InvalidInput, TooLarge
            As `describe`, and if a number is not finite.
        """
        with path.open("rb") as file:
            media_type = _media_type(file)
            if media_type in _MEDIA:
                return self._single(file, _MEDIA[media_type])
            if self._is_text(media_type):
                return self._texts(_read(file))
        if media_type in _ARRAYS and inspect_media(path).shape is not None:
            found = self._array(decode(path).array)
            check_finite(found.batch(np.arange(len(found)))[0], "inputs")
            return found
        data = load_data(path, self._for_data_set(media_type), room=room)
        self._check(data.shape, data.info.about)
        return data

    def _single(self, file: BinaryIO, medium: Medium) -> Dataset:
        options = self._options(medium.options, medium.name)
        header = medium.describe(file, options, LIMITS)
        self._check(header.shape, header.about)
        x = medium.decode(_read(file), options, LIMITS)[np.newaxis]
        check_finite(x, "inputs")
        return _dataset(medium.name, x)

    def _array(self, array: NDArray[Any]) -> Dataset:
        check_dtype(array.dtype, "inputs")
        options = self._options(("channels",), "array")
        if array.shape == self._shape or (1, *array.shape) == self._shape:
            array = array.reshape(1, *self._shape)
        elif array.shape[1:] != self._shape or 0 in array.shape:
            array = as_images(array, options.channels)
        self._check(array.shape[1:], {})
        return _dataset("array", array.view(np.uint8) if array.dtype.kind == "b" else array)

    def _is_text(self, media_type: str) -> bool:
        return "vocabulary" in self._about and media_type not in (*_ARRAYS, *_MEDIA)

    def _texts(self, data: bytes) -> Dataset:
        """Return texts with the numbers that the words have for this model."""
        check_table_size(len(data), LIMITS, "this table of texts")
        columns = read_table(data, "the table")
        if _TEXT not in columns:
            raise InvalidInput(
                "this model reads texts",
                field="inputs",
                given=f"a table with the columns {', '.join(columns)}",
                accepted=f"a CSV file with a column {_TEXT}",
            )
        (length,) = self._shape
        return _dataset(_TEXT, words.encode(columns[_TEXT], self._about["vocabulary"], length))

    def _options(self, about: tuple[str, ...], format_name: str) -> DataOptions:
        """Return how to read an input that only these options say something about."""
        if self._given is not None:
            check_options(self._given, about, format_name)
            return self._given
        return self._learned_of(about)

    def _learned_of(self, about: tuple[str, ...]) -> DataOptions:
        return self._learned.model_copy(
            update={
                name: field.default
                for name, field in DataOptions.model_fields.items()
                if name not in about
            }
        )

    def _for_data_set(self, media_type: str) -> DataOptions:
        if self._given is not None:
            options = self._given
        elif media_type in _ARRAYS:
            options = self._learned_of(("channels",))
        else:
            options = self._learned_of((*pictures.PICTURES.options, *sound.SOUND.options))
        # Labels say nothing here, so they need not be those of the model.
        return options.model_copy(update={"reconstruct": True})

    def _check(self, shape: tuple[int, ...], about: dict[str, Any]) -> None:
        if shape != self._shape:
            raise InvalidInput(
                "these are no images for this model",
                field="inputs",
                given=f"shape {shape}",
                accepted=f"shape {self._shape}, channels first; reading resizes and recolours "
                "pictures and cuts sounds",
            )
        rate, expected = about.get("sample_rate"), self._about.get("sample_rate")
        if None not in (rate, expected) and rate != expected:
            raise InvalidInput(
                "the model learned from sounds of another sample rate",
                field="inputs",
                given=f"{rate} Hz",
                accepted=f"{expected} Hz",
            )


def each_kind(
    records: dict[str, Any], digests: list[str], of: Callable[[str], tuple[int, int]]
) -> list[tuple[int, int]]:
    """Return ``of(digest)`` for each input, looking once at those whose records are alike."""
    known: dict[Any, tuple[int, int]] = {}
    found = []
    for digest in digests:
        record = records[digest]
        single = record.shape is not None and record.media_type not in _ARRAYS
        key = (record.media_type, record.shape, record.dtype) if single else digest
        if key not in known:
            known[key] = of(digest)
        found.append(known[key])
    return found


def _dataset(name: str, x: NDArray[Any]) -> Dataset:
    info = DataInfo(name, len(x), x.shape[1:], native(x.dtype), "reconstruction")
    return Dataset(info, ArrayImages(x))


def _media_type(file: BinaryIO) -> str:
    file.seek(0)
    head = file.read(SNIFF_BYTES)
    if not head:
        raise UnsupportedMedia("the file is empty", field="inputs")
    file.seek(0)
    return sniff(head)


def _read(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()
