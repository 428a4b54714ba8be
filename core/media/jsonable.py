"""Arrays as JSON, for small ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.errors import TooLarge

MAX_JSON_VALUES: Final = 1_000_000


def to_json(array: NDArray[Any]) -> Any:
    """Turn an array into nested lists that :mod:`json` writes as standard JSON.

    JSON has no NaN and no infinity: each becomes None (``null``). Whoever must tell them apart
    fetches the npy. A complex value becomes the pair ``[real, imaginary]``.

    Parameters
    ----------
    array : ndarray
        Bool, integer, real or complex; at most ``MAX_JSON_VALUES`` values.

    Returns
    -------
    list, or one value for an array without axes

    Raises
    ------
    TooLarge
        If there are more values.

    Examples
    --------
    >>> to_json(np.array([[1.5, np.nan], [np.inf, 0.0]]))
    [[1.5, None], [None, 0.0]]
    """
    if array.size > MAX_JSON_VALUES:
        raise TooLarge(
            "too many values for JSON; fetch the npy",
            given=array.size,
            accepted=f"at most {MAX_JSON_VALUES}",
        )
    if array.dtype.kind == "c":
        array = np.stack([array.real, array.imag], axis=-1)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        values = array.astype(object)
        values[~np.isfinite(array)] = None
        return values.tolist()
    return array.tolist()


def finite(value: Any) -> Any:
    """Return a document with None for each number that JSON does not know.

    Examples
    --------
    >>> finite({"loss": [0.5, float("nan")], "epoch": 3})
    {'loss': [0.5, None], 'epoch': 3}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [finite(part) for part in value]
    return value
