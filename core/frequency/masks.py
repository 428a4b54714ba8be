"""Transfer functions: which share of each frequency a filter lets through."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidInput
from core.frequency.grid import Boundary

Band: TypeAlias = Literal["low-pass", "high-pass", "band-pass", "band-stop", "notch"]
Shape: TypeAlias = Literal["ideal", "butterworth", "gaussian"]
BANDS: tuple[Band, ...] = ("low-pass", "high-pass", "band-pass", "band-stop", "notch")
SHAPES: tuple[Shape, ...] = ("ideal", "butterworth", "gaussian")

# A wave at the cutoff is within it, however its frequency was rounded; in cycles per sample.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Filter:
    """A filter by the frequencies that it lets through.

    Attributes
    ----------
    band : {"low-pass", "high-pass", "band-pass", "band-stop", "notch"}
        What goes through: below ``cutoff``, above it, between ``cutoff`` and ``upper``, outside of
        these, or all but what is within ``cutoff`` of one of the ``notches``.
    shape : {"ideal", "butterworth", "gaussian"}
        How a low-pass falls with the frequency ``r``: at once beyond the cutoff ``c``; as
        ``1 / (1 + (r / c) ** (2 * order))``, which is a half at the cutoff; as
        ``exp(-(r / c) ** 2 / 2)``. The others are made of such.
    cutoff, upper : float
        In cycles per sample.
    order : int
        How steep a Butterworth is.
    notches : tuple of tuple of float
        Frequencies along each axis of the values, in their order.

    Raises
    ------
    InvalidInput
        ``upper`` or the notches do not suit the band.
    """

    band: Band
    shape: Shape
    cutoff: float
    upper: float | None = None
    order: int = 2
    notches: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        banded = self.band in ("band-pass", "band-stop")
        if banded != (self.upper is not None) or (banded and self.upper <= self.cutoff):  # type: ignore[operator]
            raise InvalidInput(
                "a band lies between two frequencies, and nothing else does",
                field="upper",
                given=self.upper,
                accepted=f"more than the cutoff {self.cutoff:g}, for band-pass and band-stop",
            )
        if (self.band == "notch") != bool(self.notches):
            raise InvalidInput(
                "a notch filter takes out the frequencies that it is told, and no other does",
                field="notches",
                given=self.notches,
                accepted="at least one, for the band notch",
            )


def transfer(
    wanted: Filter, frequencies: Sequence[NDArray[Any]], boundary: Boundary
) -> NDArray[Any]:
    """Return what a filter multiplies the coefficients by.

    Parameters
    ----------
    wanted : Filter
        The filter.
    frequencies : sequence of ndarray
        From `core.frequency.grid`.
    boundary : {"reflect", "wrap"}
        A wave in mirrored values goes on in the mirrored direction, so with ``reflect`` a notch
        is taken out there as well.

    Returns
    -------
    ndarray
        From 0 to 1, of the shape of the coefficients.

    Raises
    ------
    InvalidInput
        A notch has not one frequency for each axis.

    Examples
    --------
    >>> frequencies = [np.array([0.0, 0.1, 0.2, 0.3, 0.4])]
    >>> transfer(Filter("high-pass", "ideal", 0.2), frequencies, "wrap").tolist()
    [0.0, 0.0, 0.0, 1.0, 1.0]
    """
    for centre in wanted.notches:
        if len(centre) != len(frequencies):
            raise InvalidInput(
                "a notch has one frequency for each axis",
                field="notches",
                given=centre,
                accepted=f"{len(frequencies)} frequencies",
            )
    if wanted.band == "notch":
        return _notch(wanted, frequencies, boundary)
    radius = _length(frequencies)
    low = _low(radius, wanted, wanted.cutoff)
    match wanted.band:
        case "low-pass":
            return low
        case "high-pass":
            return 1 - low
    assert wanted.upper is not None
    between: NDArray[Any] = _low(radius, wanted, wanted.upper) * (1 - low)
    chosen: NDArray[Any] = between if wanted.band == "band-pass" else 1 - between
    return chosen


def _low(radius: NDArray[Any], wanted: Filter, cutoff: float) -> NDArray[Any]:
    through: NDArray[Any]
    match wanted.shape:
        case "ideal":
            through = (radius <= cutoff + _ROUNDING).astype(float)
        case "butterworth":
            # The power of a large ratio is infinite, and its inverse 0, as it should be.
            with np.errstate(over="ignore"):
                through = 1 / (1 + (radius / cutoff) ** (2 * wanted.order))
        case "gaussian":
            through = np.exp(-0.5 * (radius / cutoff) ** 2)
    return through


def _notch(wanted: Filter, frequencies: Sequence[NDArray[Any]], boundary: Boundary) -> NDArray[Any]:
    through: NDArray[Any] = np.ones(np.broadcast_shapes(*(axis.shape for axis in frequencies)))
    for centre in dict.fromkeys(wanted.notches):
        if boundary == "reflect":
            signs = list(itertools.product((1, -1), repeat=len(centre)))
        else:
            signs = [(1,) * len(centre), (-1,) * len(centre)]
        places = {tuple(s * f for s, f in zip(sign, centre, strict=True)) for sign in signs}
        for place in sorted(places):
            # Frequencies are those of a ring: half a cycle and minus half a cycle are one wave.
            away = [(axis - f + 0.5) % 1 - 0.5 for axis, f in zip(frequencies, place, strict=True)]
            through = through * (1 - _low(_length(away), wanted, wanted.cutoff))
    return through


def _length(axes: Sequence[NDArray[Any]]) -> NDArray[Any]:
    squares: Any = sum(np.square(axis) for axis in axes)
    length: NDArray[Any] = np.sqrt(squares)
    return length
