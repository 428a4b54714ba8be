"""The inputs of a job one after another: read as numbers, computed, delivered."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import Cancelled, ConvqError, InvalidInput, LeaseLost
from core.jobs.inputs import Digest, Input, describe, digests, names, renamed
from core.jobs.run import Drained, Run
from core.jobs.subjects import Subject, check_values
from core.media import (
    JSON,
    NPY,
    PICTURES,
    PNG,
    MediaInfo,
    RangePolicy,
    decode,
    jsonable,
    merge_alpha,
    split_alpha,
    to_range,
    write,
)

# Inputs that are begun before another is ended: one is on its way to a GPU, while the one before
# it is computed and the one before that is on its way back.
_BEGUN = 2

# Of red, green and blue, by ITU-R BT.601.
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True, eq=False)
class Item:
    """An input that was read.

    Attributes
    ----------
    name, digest : str
        What results are called after, and of which artifact they are.
    values : ndarray
        Without the opacity of a picture, as stored.
    alpha : ndarray or None
        That opacity.
    info : MediaInfo
        Of the file.
    """

    name: str
    digest: str
    values: NDArray[Any]
    alpha: NDArray[Any] | None
    info: MediaInfo

    @property
    def subject(self) -> Subject:
        """What its plan depends on."""
        return Subject(self.info.media_type, self.values.shape, str(self.values.dtype))

    @property
    def is_picture(self) -> bool:
        """Whether it came as a picture."""
        return self.info.media_type in PICTURES


def each(
    inputs: list[Digest | Input], run: Run, work: Callable[[str, str], Callable[[], None] | None]
) -> None:
    """Call ``work(name, digest)`` for each input; one that cannot be processed fails alone.

    Where it returns something to call, this ends the input, after others have begun: what they
    share, such as a GPU, is then not left waiting.
    """
    begun: deque[tuple[str, str, Callable[[], None]]] = deque()

    def attempt(name: str, digest: str, do: Callable[[], Callable[[], None] | None]) -> None:
        try:
            end = do()
        except (Cancelled, Drained, LeaseLost):
            raise
        except ConvqError as error:
            run.fail_item(name, source=digest, error=error)
            run.advance(failed=True)
        else:
            if end is None:
                run.advance()
            else:
                begun.append((name, digest, end))

    for name, digest in zip(names(inputs), digests(inputs), strict=True):
        attempt(name, digest, partial(work, name, digest))
        if len(begun) > _BEGUN:
            attempt(*begun.popleft())
    while begun:
        attempt(*begun.popleft())


def read(run: Run, name: str, digest: str) -> Item:
    """Fetch and decode an input, or raise InvalidInput where it has no values."""
    decoded = decode(run.fetch(digest), max_pixels=run.max_pixels)
    values, alpha = split_alpha(decoded.array, decoded.info)
    item = Item(name, digest, values, alpha, decoded.info)
    check_values(item.subject)
    return item


def real(item: Item) -> NDArray[Any]:
    """Return the values in floating point.

    Raises
    ------
    InvalidInput
        They are complex, or some are not finite: a transform would spread one over all others.
    """
    if item.values.dtype.kind not in "biuf":
        raise InvalidInput(
            "only real numbers have a meaning here",
            field="inputs",
            given=describe(item.values.shape, str(item.values.dtype)),
            accepted="real numbers",
        )
    return finite(item.values.astype(item.subject.precision))


def finite(values: NDArray[Any]) -> NDArray[Any]:
    """Return values that are all finite, or raise InvalidInput."""
    wrong = values.size - int(np.isfinite(values).sum())
    if wrong:
        raise InvalidInput(
            "NaN and infinity have no place here, because every result depends on every value",
            field="inputs",
            given=f"{wrong} of {values.size} values",
            accepted="finite numbers",
        )
    return values


def brightness(values: NDArray[Any]) -> NDArray[Any]:
    """Return the brightness of a picture: its one channel, or the luma of three.

    Examples
    --------
    >>> brightness(np.full((1, 1, 3), 8.0)).round(9).tolist()
    [[8.0]]
    """
    if values.ndim == 2:
        return values
    luma: NDArray[Any] = values @ np.asarray(_LUMA, values.dtype)
    return luma


def deliver_like(
    run: Run,
    item: Item,
    y: NDArray[Any],
    suffix: str = "",
    *,
    npy: bool = False,
    policy: RangePolicy = "clip",
) -> None:
    """Deliver a result in the format of the input, or as npy in full precision.

    Opacity is put back where the result has the size of the picture.
    """
    media_type = NPY if npy else item.info.media_type
    if not npy and not item.subject.is_array:
        assert item.info.dtype is not None
        y = to_range(y, item.info.dtype, policy)
        alpha = item.alpha
        if alpha is not None and alpha.shape == y.shape[:2] and alpha.dtype == y.dtype:
            y = merge_alpha(y, alpha)
    deliver_array(run, item, renamed(item.name, media_type, suffix), y, media_type)


def deliver_array(run: Run, item: Item, name: str, y: NDArray[Any], media_type: str) -> None:
    """Deliver an array as a file of the stated format."""

    def write_file(path: Path) -> None:
        with path.open("wb") as file:
            write(y, file, media_type, extra=item.info.extra)

    run.deliver(
        name,
        source=item.digest,
        media_type=media_type,
        write=write_file,
        shape=y.shape,
        dtype=str(y.dtype),
    )


def deliver_picture(run: Run, item: Item, suffix: str, levels: NDArray[np.uint8]) -> None:
    """Deliver a picture of levels or colours as PNG."""
    deliver_array(run, item, renamed(item.name, PNG, suffix), levels, PNG)


def deliver_json(run: Run, name: str, found: Any, source: str | None = None) -> None:
    """Deliver a document; of numbers in it those that are not finite are told as null."""
    text = json.dumps(jsonable.finite(found), allow_nan=False, indent=1)
    run.deliver(
        name, source=source, media_type=JSON, write=lambda path: _write(path, text.encode())
    )


def deliver_bytes(run: Run, item: Item, suffix: str, data: bytes, media_type: str) -> None:
    """Deliver bytes of a format that no array is."""
    run.deliver(
        renamed(item.name, media_type, suffix),
        source=item.digest,
        media_type=media_type,
        write=lambda path: _write(path, data),
    )


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
