"""A function by its values at uneven points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.arrays import Array, array_module, common_module, to_numpy
from core.errors import InvalidInput


@dataclass(frozen=True, eq=False)
class Sampled:
    """Functions that are linear between points, and 0 before the first and after the last.

    Attributes
    ----------
    t : ndarray of float64, shape (N,)
        Where they are known, ascending.
    y : ndarray of float64, shape (N, C)
        Their values there, on the same device.
    """

    t: Array
    y: Array

    def __post_init__(self) -> None:
        """Refuse what lies on different devices."""
        common_module(t=self.t, y=self.y)

    @classmethod
    def of(cls, table: Array, field: str) -> Sampled:
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
        xp = array_module(table)
        values = xp.asarray(table, np.float64)
        if not xp.isfinite(values).all():
            raise InvalidInput(
                "a function has finite values at finite places",
                field=field,
                given=f"{int((~xp.isfinite(values)).sum())} that are not",
                accepted="finite numbers",
            )
        values = values[xp.argsort(values[:, 0], kind="stable")]
        t = xp.ascontiguousarray(values[:, 0])
        twice = xp.flatnonzero(xp.diff(t) <= 0)
        if len(twice):
            raise InvalidInput(
                "a function has one value at each place",
                field=field,
                given=f"{float(t[twice[0]]):g} more than once",
                accepted="different abscissae",
            )
        return cls(t, xp.ascontiguousarray(values[:, 1:]))

    @property
    def span(self) -> float:
        """How long the stretch is on which they are known."""
        return float(self.t[-1] - self.t[0])

    def on_host(self) -> Sampled:
        """Return the same functions in memory of the host."""
        return Sampled(to_numpy(self.t), to_numpy(self.y))

    def integral(self) -> Array:
        """Return the integral of each function."""
        return array_module(self.y).trapezoid(self.y, self.t, axis=0)

    def size(self) -> Array:
        """Return the integral of the magnitude of each function.

        Examples
        --------
        >>> Sampled(np.array([0.0, 2.0]), np.array([[-1.0], [1.0]])).size().tolist()
        [1.0]
        """
        xp, a, b = array_module(self.y), self.y[:-1], self.y[1:]
        whole = abs(a) + abs(b)
        # Where the sign changes there are two triangles.
        crossed = (xp.square(a) + xp.square(b)) / xp.where(whole > 0, whole, 1)
        each = xp.where(a * b < 0, crossed, whole)
        return (each * xp.diff(self.t)[:, None]).sum(axis=0) / 2


def sums(f: Sampled, g: Sampled) -> Array:
    """Return all sums of two abscissae, each once: between two of them ``f * g`` is a cubic.

    Examples
    --------
    >>> f = Sampled(np.array([0.0, 1.0, 5.0]), np.zeros((3, 1)))
    >>> sums(f, f).tolist()
    [0.0, 1.0, 2.0, 5.0, 6.0, 10.0]
    """
    return common_module(f=f.t, g=g.t).unique(f.t[:, None] + g.t)
