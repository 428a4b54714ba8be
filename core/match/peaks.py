"""The places where something fits best, each told once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # its parts, which take long to load, when they are first used
from numpy.typing import NDArray

# Candidates of one map; more would be so alike that most are suppressed.
MOST_OF_A_MAP = 20_000


@dataclass(frozen=True, slots=True)
class Match:
    """A place where a template fits.

    Attributes
    ----------
    start : tuple of float
        Where its first value lies, along each axis, in parts of a sample.
    size : tuple of int
        Of the template.
    score : float
        How well it fits.
    variant : int
        Which of several templates it is.
    """

    start: tuple[float, ...]
    size: tuple[int, ...]
    score: float
    variant: int = 0


def local_maxima(
    scores: NDArray[Any],
    size: Sequence[int],
    threshold: float | None = None,
    variant: int = 0,
    origin: int = 0,
) -> list[Match]:
    """Return where the scores are not less than around, the best first.

    Parameters
    ----------
    scores : ndarray
        One score for each place.
    size : sequence of int
        Of the template.
    threshold : float, optional
        Least score.
    variant : int
        Noted in the matches.
    origin : int
        Added to the place along the first axis.

    Returns
    -------
    list of Match
        Between samples by the top of a parabola along each axis.

    Examples
    --------
    >>> [found] = local_maxima(np.array([0.0, 2.0, 3.0, 1.0]), [1])
    >>> round(found.start[0], 3), found.score
    (1.833, 3.0)
    """
    top = scores == scipy.ndimage.maximum_filter(scores, size=3, mode="constant", cval=-np.inf)
    if threshold is not None:
        top &= scores >= threshold
    # Where nothing rises there is no place to tell.
    if top.all() and scores.size > 1:
        return []
    places = np.argwhere(top)
    values = scores[top]
    best = np.argsort(-values, kind="stable")[:MOST_OF_A_MAP]
    found = []
    for place, score in zip(places[best], values[best], strict=True):
        start = [float(p) + _between(scores, place, axis) for axis, p in enumerate(place)]
        start[0] += origin
        found.append(Match(tuple(start), tuple(size), float(score), variant))
    return found


def best_matches(candidates: list[Match], count: int, overlap: float) -> list[Match]:
    """Return the best candidates of those that lie on one another.

    Parameters
    ----------
    candidates : list of Match
        In any order.
    count : int
        At most so many.
    overlap : float
        Two boxes are one thing if what they share is more than this part of what both cover.

    Examples
    --------
    >>> three = [Match((0.0,), (4,), 0.8), Match((1.0,), (4,), 0.9), Match((8.0,), (4,), 0.7)]
    >>> [match.start for match in best_matches(three, 10, 0.3)]
    [(1.0,), (8.0,)]
    """
    kept: list[Match] = []
    boxes = np.empty((count, 2, len(candidates[0].size) if candidates else 1))
    for match in sorted(candidates, key=lambda match: -match.score):
        if len(kept) == count:
            break
        low, size = np.array(match.start), np.array(match.size)
        others = boxes[: len(kept)]
        shared = np.minimum(others[:, 1], low + size) - np.maximum(others[:, 0], low)
        common = np.prod(np.maximum(shared, 0), axis=1)
        both = np.prod(others[:, 1] - others[:, 0], axis=1) + np.prod(size) - common
        if (common <= overlap * both).all():
            boxes[len(kept)] = low, low + size
            kept.append(match)
    return kept


def _between(scores: NDArray[Any], place: NDArray[Any], axis: int) -> float:
    at = int(place[axis])
    if not 0 < at < scores.shape[axis] - 1:
        return 0.0
    index = [int(p) for p in place]
    around = []
    for step in (-1, 0, 1):
        index[axis] = at + step
        around.append(float(scores[tuple(index)]))
    before, here, after = around
    bend = before - 2 * here + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0
