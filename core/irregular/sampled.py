"""A function by its values at uneven points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidInput


@dataclass(frozen=True, eq=False)
class Sampled:
    """Functions that are linear between points, and 0 before the first and after the last.

    Attributes
    ----------
    t : ndarray of float64, shape (N,)
        Where they are known, ascending.
    y : ndarray of float64, shape (N, C)
        Their values there.
    """

    t: NDArray[np.float64]
    y: NDArray[np.float64]

    @classmethod
    def of(cls, table: NDArray[Any], field: str) -> Sampled:
        """Return the functions of a table: a column of abscissae, then one for each function.

        Rows may come in any order.

        Raises
        ------
        InvalidInput
            It has another shape, or values that are no finite real numbers, or an abscissa twice.

        Examples
        --------
        >>> Sampled.of(np.array([[3, 0], [0, 1.5], [1, 2]]), "inputs").t.tolist()
        [0.0, 1.0, 3.0]
        """
        shaped = table.ndim == 2 and table.shape[0] >= 2 and table.shape[1] >= 2
        if not shaped or table.dtype.kind not in "iuf":
            raise InvalidInput(
                "no table of a function",
                field=field,
                given=f"{' × '.join(map(str, table.shape))} {table.dtype}",
                accepted="real numbers in two or more rows: an abscissa, then values",
            )
        values = np.asarray(table, np.float64)
        if not np.isfinite(values).all():
            raise InvalidInput(
                "a function has finite values at finite places",
                field=field,
                given=f"{int((~np.isfinite(values)).sum())} that are not",
                accepted="finite numbers",
            )
        values = values[np.argsort(values[:, 0], kind="stable")]
        t = np.ascontiguousarray(values[:, 0])
        twice = np.flatnonzero(np.diff(t) <= 0)
        if len(twice):
            raise InvalidInput(
                "a function has one value at each place",
                field=field,
                given=f"{t[twice[0]]:g} more than once",
                accepted="different abscissae",
            )
        return cls(t, np.ascontiguousarray(values[:, 1:]))

    @property
    def span(self) -> float:
        """How long the stretch is on which they are known."""
        return float(self.t[-1] - self.t[0])

    def integral(self) -> NDArray[np.float64]:
        """Return the integral of each function."""
        return np.asarray(np.trapezoid(self.y, self.t, axis=0))

    def size(self) -> NDArray[np.float64]:
        """Return the integral of the magnitude of each function.

        Examples
        --------
        >>> Sampled(np.array([0.0, 2.0]), np.array([[-1.0], [1.0]])).size().tolist()
        [1.0]
        """
        a, b = self.y[:-1], self.y[1:]
        whole = np.abs(a) + np.abs(b)
        # Where the sign changes there are two triangles.
        crossed = (np.square(a) + np.square(b)) / np.where(whole > 0, whole, 1)
        each = np.where(a * b < 0, crossed, whole)
        summed: NDArray[np.float64] = (each * np.diff(self.t)[:, None]).sum(axis=0) / 2
        return summed


def sums(f: Sampled, g: Sampled) -> NDArray[np.float64]:
    """Return all sums of two abscissae, each once: between two of them ``f * g`` is a cubic.

    Examples
    --------
    >>> f = Sampled(np.array([0.0, 1.0, 5.0]), np.zeros((3, 1)))
    >>> sums(f, f).tolist()
    [0.0, 1.0, 2.0, 5.0, 6.0, 10.0]
    """
    return np.unique(np.add.outer(f.t, g.t))
