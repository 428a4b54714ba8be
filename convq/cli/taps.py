"""An array of filter taps for the terminal: as numbers, or as shades where those do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_SHADES = " ·░▒▓█"


def taps(array: NDArray[Any], width: int) -> str:
    """Return the taps of a kernel as lines of at most ``width`` characters.

    Parameters
    ----------
    array : ndarray, 1-D to 3-D
        The kernel.
    width : int
        Columns of the terminal.

    Returns
    -------
    str
        Numbers; or, if a row of them does not fit, a shade for each tap, after a minus where
        it is negative; or, if that
        does not fit either, the numbers at the edges.

    Examples
    --------
    >>> import numpy as np
    >>> print(taps(np.array([[1.0, 0.0, -1.0]]), 80))
    [[ 1.  0. -1.]]
    >>> print(taps(np.array([[1.0, 0.0, -0.5]]), 8))
    ██  -▒
    """
    # Small taps, as of a wide blur, would all be zero with so few decimals.
    suppress = bool(np.abs(array).max() >= 0.01)
    with np.printoptions(precision=4, suppress=suppress, linewidth=1 << 16, threshold=1 << 20):
        numbers = np.array2string(array)
    if max(map(len, numbers.splitlines())) <= width:
        return numbers
    if 2 * array.shape[-1] <= width:
        return _shaded(array)
    with np.printoptions(precision=2, suppress=suppress, linewidth=width, threshold=0, edgeitems=3):
        return np.array2string(array)


def _shaded(array: NDArray[Any]) -> str:
    size = np.abs(array)
    level = np.ceil(size / (size.max() or 1) * (len(_SHADES) - 1) - 1e-9).astype(int)
    level = np.maximum(level, size > 0)  # every tap that is not zero can be seen
    rows = [
        "".join(
            ("-" if v < 0 and s else _SHADES[s]) + _SHADES[s] for v, s in zip(*row, strict=True)
        )
        for row in zip(
            array.reshape(-1, array.shape[-1]), level.reshape(-1, array.shape[-1]), strict=True
        )
    ]
    height = array.shape[-2] if array.ndim == 3 else len(rows)
    blocks = ["\n".join(rows[i : i + height]) for i in range(0, len(rows), height)]
    return "\n\n".join(blocks)
