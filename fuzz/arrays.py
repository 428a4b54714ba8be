"""Arrays, pictures and sounds at the ends of what there is: empty, single, vast, not finite."""

from __future__ import annotations

from random import Random
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.media import NPY, PNG, WAV, Extra, encode

_SHAPES: Final = (
    *((), (0,), (3, 0), (1,), (5,), (40,), (7, 2), (40, 2), (1, 1), (2, 3), (4, 1), (1, 7)),
    *((9, 11), (33, 40), (3, 4, 5), (2, 2, 2), (6, 7, 1), (6, 7, 3), (1, 1, 3), (12, 10, 3)),
    *((2, 3, 4, 5), (2, 6, 7, 3)),
)
_DTYPES: Final = (
    *("bool", "int8", "uint8", "uint16", "int64", "uint64", "float16", "float32", "float64"),
    *("complex64", ">f4", ">i2"),
)
_VALUES: Final = ("normal", "ascending", "equal", "zero", "huge", "tiny", "nan", "infinite", "less")
_PICTURES: Final = (
    *((1, 1), (9, 12), (33, 40), (20, 1), (40, 33, 3), (1, 30, 3), (7, 5, 4), (8, 8, 2)),
)
_SOUNDS: Final = ((1,), (50,), (64, 1), (300, 2))


def drawn(random: Random) -> dict[str, Any]:
    """Return a description of a file: its type, shape, dtype and values.

    Examples
    --------
    >>> drawn(Random(1))["type"]
    'application/x-npy'
    """
    media_type = random.choices((NPY, PNG, WAV), (12, 5, 3))[0]
    if media_type == NPY:
        shape, dtype = random.choice(_SHAPES), random.choice(_DTYPES)
    elif media_type == PNG:
        shape = random.choice(_PICTURES)
        dtype = random.choice(("uint8", "uint16")) if len(shape) == 2 else "uint8"
    else:
        shape, dtype = random.choice(_SOUNDS), "int16"
    return {
        "type": media_type,
        "shape": shape,
        "dtype": dtype,
        "values": random.choice(_VALUES),
        "seed": random.randrange(1000),
    }


def file_of(description: dict[str, Any]) -> bytes:
    r"""Return the file that a description is of.

    Examples
    --------
    >>> file_of(drawn(Random(1)))[:6]
    b'\x93NUMPY'
    """
    values = _values(description).astype(description["dtype"])
    extra: Extra = {"sample_rate": 8000} if description["type"] == WAV else {}
    return encode(values, description["type"], extra=extra)


def _values(description: dict[str, Any]) -> NDArray[Any]:
    shape, dtype = tuple(description["shape"]), np.dtype(description["dtype"])
    x = 10 * np.random.default_rng(description["seed"]).normal(size=shape)
    whole = dtype.kind in "biu"
    match description["values"]:
        case "equal":
            return np.full(shape, 3.0)
        case "zero":
            return np.zeros(shape)
        case "less":
            return -abs(x)
        case "ascending":
            return np.sort(x, axis=0 if shape else None)
        case "huge" if whole:
            return np.full(shape, dtype == "bool" or np.iinfo(dtype).max, dtype)
        case "huge":
            return x * (1e300 if dtype == np.float64 else 1e37)
        case "tiny":
            return x * 1e-40
        case "nan" | "infinite" as name if x.size and not whole:
            x.flat[0] = np.nan if name == "nan" else np.inf
    # Of pictures most values are wanted, of whole numbers some that wrap.
    return x * 20 if whole else x
