"""What is known of a file without decoding it, and what decoding gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypedDict

from numpy.typing import NDArray


class Extra(TypedDict, total=False):
    """What a format holds beside the array and an output of the same format should keep.

    ``sample_rate`` in Hz and ``bits_per_sample`` (24 is held in int32) of a WAV; ``alpha``, true
    if the last channel of a picture is its opacity; ``icc_profile``, a picture's colour profile
    (only after decoding).
    """

    sample_rate: int
    bits_per_sample: int
    alpha: bool
    icc_profile: bytes


@dataclass(frozen=True)
class MediaInfo:
    """What a file's header says.

    Attributes
    ----------
    media_type : str
        By content, one of the constants of :mod:`core.media.types`.
    shape : tuple of int or None
        Of the array that decoding gives; None if the file holds no array that convq decodes.
    dtype : str or None
        Of that array, for example ``"uint8"``; None with ``shape``.
    extra : Extra
        What an output of the same format should keep.

    Examples
    --------
    >>> MediaInfo("image/png", (480, 640, 3), "uint8").shape
    (480, 640, 3)
    """

    media_type: str
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    extra: Extra = field(default_factory=Extra)


@dataclass(frozen=True, eq=False)
class Decoded:
    """A file's array, and what goes with it.

    Attributes
    ----------
    array : ndarray
        With ``info.shape`` and ``info.dtype``, in native byte order; it may be read-only.
    info : MediaInfo
        What the file is.
    """

    array: NDArray[Any]
    info: MediaInfo
