"""Bringing results into the range of an output format, and keeping alpha out of the way."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from core.errors import InvalidInput
from core.media.info import MediaInfo

RangePolicy: TypeAlias = Literal["clip", "rescale", "signed"]

RANGE_POLICIES: Final[tuple[RangePolicy, ...]] = ("clip", "rescale", "signed")

_TARGETS: Final = ("uint8", "uint16", "int16", "int32", "float32", "float64")


def to_range(array: NDArray[Any], dtype: DTypeLike, policy: RangePolicy) -> NDArray[Any]:
    """Convert to the dtype of an output format, values included.

    ======= ============================== ========================== ====================
    policy  unsigned target, 0..M          signed target, -M-1..M     float target
    ======= ============================== ========================== ====================
    clip    round, cut to the range        round, cut to the range    only the dtype changes
    rescale smallest value 0, largest M    smallest -M-1, largest M   smallest 0, largest 1
    signed  0 to mid-grey (M + 1) / 2,     0 to 0, largest magnitude  largest magnitude to
            largest magnitude to M or 1    to M or -M                 1 or -1
    ======= ============================== ========================== ====================

    Halves are rounded to even. The scale comes from the finite values; infinities become the ends
    of the range. For an integer target NaN becomes what zero becomes under ``clip`` and
    ``signed``, and the lowest value under ``rescale``; a float target keeps NaN. Under
    ``rescale`` a constant array becomes 0, under ``signed`` one of zeros stays at the middle.

    Parameters
    ----------
    array : ndarray
        Real or bool, any shape.
    dtype : dtype
        uint8, uint16, int16, int32, float32 or float64.
    policy : {"clip", "rescale", "signed"}
        See the table.

    Returns
    -------
    ndarray of ``dtype``, same shape

    Raises
    ------
    InvalidInput
        For a complex array (names ``output``), another dtype, or an unknown policy (names
        ``range``).

    Examples
    --------
    >>> to_range(np.array([-3.0, 0.5, 1.5, 300.0]), "uint8", "clip").tolist()
    [0, 0, 2, 255]
    >>> to_range(np.array([-1.0, 0.0, 1.0]), "uint8", "rescale").tolist()
    [0, 128, 255]
    >>> to_range(np.array([-2.0, 0.0, 1.0]), "uint8", "signed").tolist()
    [1, 128, 192]
    """
    target = np.dtype(dtype)
    if policy not in RANGE_POLICIES:
        raise InvalidInput(
            "no such range policy", field="range", given=policy, accepted=RANGE_POLICIES
        )
    if target.name not in _TARGETS:
        raise InvalidInput(
            "no output format has this dtype", field="output", given=target.name, accepted=_TARGETS
        )
    if array.dtype.kind not in "biuf":
        raise InvalidInput(
            "complex results have no place in a picture or a sound; use npy",
            field="output",
            given=str(array.dtype),
        )
    match policy:
        case "clip":
            return _clip(array, target)
        case "rescale":
            return _rescale(array, target)
        case "signed":
            return _signed(array, target)


def split_alpha(array: NDArray[Any], info: MediaInfo) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Take a picture's opacity away from its colours, so that a filter leaves it as it is.

    Parameters
    ----------
    array : ndarray, shape (H, W) or (H, W, C)
        As decoded.
    info : MediaInfo
        Of the same picture; ``info.extra["alpha"]`` decides.

    Returns
    -------
    colours : ndarray, shape (H, W) or (H, W, 3)
        A view.
    alpha : ndarray, shape (H, W), or None
        A view; None for what has no alpha.

    Examples
    --------
    >>> rgba = np.zeros((2, 2, 4), np.uint8)
    >>> info = MediaInfo("image/png", rgba.shape, "uint8", {"alpha": True})
    >>> [part.shape for part in split_alpha(rgba, info)]
    [(2, 2, 3), (2, 2)]
    """
    if not info.extra.get("alpha"):
        return array, None
    colours = array[..., 0] if array.shape[-1] == 2 else array[..., :-1]
    return colours, array[..., -1]


def merge_alpha(colours: NDArray[Any], alpha: NDArray[Any] | None) -> NDArray[Any]:
    """Put back what :func:`split_alpha` took away.

    Parameters
    ----------
    colours : ndarray, shape (H, W) or (H, W, 3)
        In the output's dtype.
    alpha : ndarray, shape (H, W), or None
        None gives ``colours`` back.

    Returns
    -------
    ndarray, shape (H, W, 2) or (H, W, 4)

    Raises
    ------
    InvalidInput
        Names ``output``: if the sides differ (mode full or valid changes them), or the dtypes.

    Examples
    --------
    >>> merge_alpha(np.zeros((2, 2, 3), np.uint8), np.ones((2, 2), np.uint8)).shape
    (2, 2, 4)
    """
    if alpha is None:
        return colours
    if colours.shape[:2] != alpha.shape or colours.dtype != alpha.dtype:
        raise InvalidInput(
            "the result does not fit the picture's alpha channel",
            field="output",
            given=f"{colours.dtype} {colours.shape}",
            accepted=f"{alpha.dtype} with the sides {alpha.shape}, or npy",
        )
    return np.dstack([colours, alpha])


def _clip(array: NDArray[Any], target: np.dtype[Any]) -> NDArray[Any]:
    if target.kind == "f":
        # A float64 beyond float32 becomes infinite, as any cast does.
        with np.errstate(over="ignore"):
            return array.astype(target)
    if array.dtype.kind == "f":
        return _rounded(_floating(array, target), target, if_nan=0)
    if array.dtype.kind == "b":
        return array.astype(target)
    # Whole numbers take no way through floats, which do not hold all of 64 bits.
    own, wanted = np.iinfo(array.dtype), np.iinfo(target)
    return array.clip(max(own.min, wanted.min), min(own.max, wanted.max)).astype(target)


def _rescale(array: NDArray[Any], target: np.dtype[Any]) -> NDArray[Any]:
    low, high = _ends(target)
    values, least, greatest = _at_most_one(_floating(array, target))
    values -= least
    if greatest > least:
        values *= (high - low) / (greatest - least)
        values += low
    return _rounded(values.clip(low, high, out=values), target, if_nan=low)


def _signed(array: NDArray[Any], target: np.dtype[Any]) -> NDArray[Any]:
    _, high = _ends(target)
    middle = (high + 1) // 2 if target.kind == "u" else 0
    values, _, _ = _at_most_one(_floating(array, target))
    values *= high - middle
    values += middle
    return _rounded(values.clip(2 * middle - high, high, out=values), target, if_nan=middle)


def _ends(target: np.dtype[Any]) -> tuple[int, int]:
    if target.kind == "f":
        return 0, 1
    limits = np.iinfo(target)
    return int(limits.min), int(limits.max)


def _floating(array: NDArray[Any], target: np.dtype[Any]) -> NDArray[Any]:
    # A copy to work in. Single precision serves targets of up to 16 bits.
    enough = np.float32 if target.itemsize <= 2 and array.dtype.itemsize <= 4 else np.float64
    return array.astype(enough)


def _at_most_one(values: NDArray[Any]) -> tuple[NDArray[Any], float, float]:
    """Divide by the largest finite magnitude; return the finite minimum and maximum too.

    No difference or product that follows can overflow then.
    """
    finite = np.isfinite(values)
    least = float(np.min(values, initial=np.inf, where=finite))
    greatest = float(np.max(values, initial=-np.inf, where=finite))
    largest = max(abs(least), abs(greatest))
    if not finite.any() or largest == 0:
        return values, 0.0, 0.0
    with np.errstate(invalid="ignore"):  # of NaN that signal, as any bytes may
        values /= largest
    return values, least / largest, greatest / largest


def _rounded(values: NDArray[Any], target: np.dtype[Any], *, if_nan: int) -> NDArray[Any]:
    if target.kind == "f":
        return values.astype(target)
    values[np.isnan(values)] = if_nan
    np.rint(values, out=values)
    return values.clip(*_ends(target), out=values).astype(target)
