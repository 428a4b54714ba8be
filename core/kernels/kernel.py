"""What a preset builds: filter taps, and how their results combine."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidInput

FloatArray: TypeAlias = NDArray[np.float64]
Combine: TypeAlias = Literal["magnitude"]

MAX_SIDE = 4096
MAX_TAPS = 1 << 24


@dataclass(frozen=True, eq=False)
class Kernel:
    """A stack of linear filters and the way their results become one.

    Attributes
    ----------
    stack : ndarray of float64, shape (M, *K)
        The filters, stated for the operation ``convolution``.
    combine : {"magnitude"} or None
        None: M is 1 and the filter's result is the result. ``"magnitude"``: the result is
        ``sqrt(sum_m y_m**2)`` over the M filtered outputs.

    Examples
    --------
    >>> Kernel(np.ones((1, 3, 3))).stack.shape
    (1, 3, 3)
    """

    stack: FloatArray
    combine: Combine | None = None


def check_size(shape: tuple[int, ...], *, field: str) -> None:
    """Refuse a kernel that is too large, before anything of that size is allocated.

    Parameters
    ----------
    shape : tuple of int
        The kernel's sides in taps.
    field : str
        The JSON path of the parameter that decides the size, for the error.

    Raises
    ------
    InvalidInput
        If a side exceeds ``MAX_SIDE`` or the product of the sides exceeds ``MAX_TAPS``.

    Examples
    --------
    >>> check_size((3, 3), field="kernel.size")
    """
    if max(shape) > MAX_SIDE or prod(shape) > MAX_TAPS:
        raise InvalidInput(
            "the kernel would be too large",
            field=field,
            given=" x ".join(map(str, shape)),
            accepted=f"at most {MAX_SIDE} taps a side and {MAX_TAPS} in all",
        )
