"""What numbers may be rounded to before they are multiplied; sums are at least float32."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

Precision: TypeAlias = Literal["float32", "tf32", "bfloat16"]
"""What products of float32 numbers may be made of.

"float32": the numbers as they are; "tf32": eleven significant bits of each; "bfloat16": eight.
Both keep the range of float32.
"""

PRECISIONS: tuple[Precision, ...] = get_args(Precision)

_ROUNDOFF = {"float32": 0.0, "float16": 0.0, "tf32": 2.0**-11, "bfloat16": 2.0**-8}


def product_error(precision: str) -> float:
    """Return by how much a product of rounded numbers may differ, relative to it.

    Parameters
    ----------
    precision : str
        Of a `core.conv.normal.NormalForm`: with float16, the numbers are of this dtype already.

    Examples
    --------
    >>> product_error("float32"), product_error("tf32") < 0.001
    (0.0, True)
    """
    one = _ROUNDOFF[precision]
    return 2 * one + one**2
