"""What every format checks of images, and how an array becomes images."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidInput

_CHANNELS: Final = (1, 3, 4)
_CHUNK: Final = 1 << 22


def as_images(x: NDArray[Any], channels: str | None) -> NDArray[Any]:
    """View an array as images with their channels first.

    Parameters
    ----------
    x : ndarray
        ``(N, F)``, ``(N, H, W)`` or with more axes.
    channels : {"first", "last", "none"}, optional
        Where they lie. None: nowhere in ``(N, H, W)``; in arrays of more axes last, if that axis
        has 1, 3 or 4 of them and the first after N has not, else first.

    Returns
    -------
    ndarray, shape ``(N, F)`` or ``(N, C, *S)``
        A view.

    Raises
    ------
    InvalidInput
        If there are no images, or no axes for them.

    Examples
    --------
    >>> as_images(np.zeros((5, 28, 28)), None).shape
    (5, 1, 28, 28)
    >>> as_images(np.zeros((5, 32, 32, 3)), None).shape
    (5, 3, 32, 32)
    >>> as_images(np.zeros((5, 2, 100)), "first").shape
    (5, 2, 100)
    """
    least = 2 if channels is None else 3
    if x.ndim < least or 0 in x.shape:
        raise InvalidInput(
            "this array holds no images",
            field="data.x",
            given=x.shape,
            accepted=f"at least {least} axes, the first for the images, and none of them empty",
        )
    if x.ndim == 2:
        return x
    if channels is None:
        is_last = x.shape[-1] in _CHANNELS and x.shape[1] not in _CHANNELS
        channels = "none" if x.ndim == 3 else "last" if is_last else "first"
    if channels == "none":
        return x[:, None]
    return np.moveaxis(x, -1, 1) if channels == "last" else x


def check_finite(array: NDArray[Any], field: str) -> None:
    """Refuse NaN and infinity, and say where the first is.

    Parameters
    ----------
    array : ndarray (N, ...)
        Looked at in pieces, so that it may be larger than memory.
    field : str
        Its name, for the error.

    Raises
    ------
    InvalidInput
        Names the image.
    """
    if array.dtype.kind != "f":
        return
    step = max(1, _CHUNK // max(array[0].size, 1))
    for start in range(0, len(array), step):
        piece = array[start : start + step]
        bad = ~np.isfinite(piece)
        if bad.any():
            place = np.argwhere(bad)[0]
            value = piece[tuple(place)]
            raise InvalidInput(
                f"number {start + int(place[0])} holds {value}",
                field=field,
                given=f"{int(bad.sum())} such values, the first at {place[1:].tolist()} of it",
                accepted="finite numbers",
            )


def check_dtype(dtype: np.dtype[Any], field: str) -> None:
    """Refuse complex numbers, of which nets know nothing.

    Raises
    ------
    InvalidInput
        Names the dtype.
    """
    if dtype.kind == "c":
        raise InvalidInput(
            "a net takes no complex numbers",
            field=field,
            given=str(dtype),
            accepted="integers, booleans or floats",
        )


def native(dtype: np.dtype[Any]) -> str:
    """Return the name of the dtype that a batch has: booleans become uint8.

    Examples
    --------
    >>> native(np.dtype(">i2"))
    'int16'
    """
    return "uint8" if dtype.kind == "b" else dtype.name
