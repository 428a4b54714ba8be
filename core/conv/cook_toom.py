"""Short correlations with few products: the matrices of Cook and Toom, as Winograd used them.

A correlation of ``m`` outputs with ``r`` taps takes ``m * r`` products when computed directly and
``m + r - 1`` as ``A @ ((G @ taps) * (B @ inputs))`` (S. Winograd, *Arithmetic Complexity of
Computations*, 1980; A. Lavin and S. Gray, "Fast algorithms for convolutional neural networks",
2016). Each product evaluates polynomials at one point; the points decide how rounding errors grow.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

# Of the points whose matrices B and A are exact in binary these let errors grow least: by 15 per
# axis for m, r = 4, 3, where the customary 0, 1, -1, 2, -2 let them grow by 29.
POINTS = (Fraction(0), Fraction(1, 2), Fraction(-1, 2), Fraction(2), Fraction(-2))

SIDE = len(POINTS) + 1
"""Inputs of a tile, and products, per axis: infinity is a point, too."""


@dataclass(frozen=True, eq=False)
class CookToom:
    """The matrices for ``m`` outputs and ``r`` taps, ``n = m + r - 1``.

    Parameters
    ----------
    outputs : array of shape (m, n)
        From products to outputs: the matrix A.
    taps : array of shape (n, r)
        From taps to their values at the points: the matrix G.
    inputs : array of shape (n, n)
        From inputs to theirs: the matrix B.
    """

    outputs: Matrix
    taps: Matrix
    inputs: Matrix

    @property
    def growth(self) -> float:
        """How much larger than the output the sum of the magnitudes behind it may be, per axis.

        The output is compared with the sum of the taps' magnitudes times the largest input.
        """
        a, g, b = abs(self.outputs), abs(self.taps).max(axis=1), abs(self.inputs).sum(axis=1)
        return float((a @ (g * b)).max())


def outputs_of(r: int) -> int:
    """Return how many outputs a tile has per axis with ``r`` taps.

    Examples
    --------
    >>> outputs_of(3), outputs_of(5)
    (4, 2)
    """
    return SIDE + 1 - r


@lru_cache(maxsize=16)
def cook_toom(r: int) -> CookToom:
    """Return the matrices for ``r`` taps at the points of `POINTS` and infinity.

    Examples
    --------
    >>> short = cook_toom(3)
    >>> x, w = np.array([1.0, 2, 0, -1, 3, 1]), np.array([1.0, 0, 2])
    >>> (short.outputs @ ((short.taps @ w) * (short.inputs @ x))).round(12).tolist()
    [1.0, 0.0, 6.0, 1.0]
    >>> np.correlate(x, w).tolist()
    [1.0, 0.0, 6.0, 1.0]
    """
    m = outputs_of(r)
    outputs = [[*(p**i for p in POINTS), Fraction(i == m - 1)] for i in range(m)]
    taps = [[p**k / _scale(p) for k in range(r)] for p in POINTS]
    taps.append([Fraction(k == r - 1) for k in range(r)])
    inputs = [[*_polynomial([q for q in POINTS if q != p]), Fraction(0)] for p in POINTS]
    inputs.append(_polynomial(list(POINTS)))
    return CookToom(*(np.array(matrix, float) for matrix in (outputs, taps, inputs)))


def _scale(point: Fraction) -> Fraction:
    product = Fraction(1)
    for other in POINTS:
        if other != point:
            product *= point - other
    return product


def _polynomial(roots: list[Fraction]) -> list[Fraction]:
    # The coefficients of the product of (x - root), the constant one first.
    coefficients = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *coefficients]
        coefficients = [
            s - root * c for s, c in zip(shifted, [*coefficients, Fraction(0)], strict=True)
        ]
    return coefficients
