"""What lies outside the input: explicit extension for every boundary but zero."""

from __future__ import annotations

from typing import Literal, get_args

from core.arrays import Array, array_module

Boundary = Literal["zero", "constant", "reflect", "mirror", "nearest", "wrap"]
BOUNDARIES: tuple[Boundary, ...] = get_args(Boundary)

# scipy.ndimage's names on the left, numpy.pad's on the right.
_PAD_MODES = {
    "constant": "constant",
    "reflect": "symmetric",
    "mirror": "reflect",
    "nearest": "edge",
    "wrap": "wrap",
}


def extend(
    x: Array, widths: tuple[tuple[int, int], ...], boundary: Boundary, cval: complex
) -> Array:
    """Return ``x`` with its last axes extended.

    Parameters
    ----------
    x : array
        Any shape and dtype.
    widths : tuple of (before, after)
        How many elements to add, one pair for each of the last ``len(widths)`` axes.
    boundary : str
        ``constant`` (``k k | a b c d | k k``), ``reflect`` (``b a | a b c d | d c``), ``mirror``
        (``c b | a b c d | c b``), ``nearest`` (``a a | a b c d | d d``) or ``wrap``
        (``c d | a b c d | a b``): the names of `scipy.ndimage`.
    cval : number
        The ``k`` of ``constant``.

    Returns
    -------
    array
        ``x`` itself where nothing is added, else a new array of the same dtype.

    Examples
    --------
    >>> import numpy as np
    >>> extend(np.arange(4), ((2, 2),), "mirror", 0)
    array([2, 1, 0, 1, 2, 3, 2, 1])
    """
    if not any(before or after for before, after in widths):
        return x
    pad = ((0, 0),) * (x.ndim - len(widths)) + widths
    options = {"constant_values": cval} if boundary == "constant" else {}
    return array_module(x).pad(x, pad, mode=_PAD_MODES[boundary], **options)
