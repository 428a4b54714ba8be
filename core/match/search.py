"""The best places of a template, in any of several sizes and directions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from core.arrays import Array, array_module, to_numpy
from core.conv.blocks import Check, never
from core.errors import InvalidInput
from core.match.peaks import MOST_OF_A_MAP, Match, best_matches, local_maxima
from core.match.scores import Template
from core.match.warp import warp, warped_shape

# Samples of a recording that are compared at a time, so that hours take no more memory.
BLOCK = 1 << 22
# Candidates of all maps among which the matches are: ten times as many as a job tells at most.
_MOST = 100_000
_BYTES_A_CANDIDATE = 300


class Score(Protocol):
    """How well a template fits: `core.match.normalised`, or `core.match.raw`."""

    def __call__(
        self, x: Array, template: Template, *, memory_cap: int | None, check: Check
    ) -> Array:
        """Return a score for each place."""


class Variant(NamedTuple):
    """A size of a template and a direction, in degrees counter-clockwise."""

    scale: float
    degrees: float


def search(
    x: Array,
    template: Template,
    variants: Sequence[Variant],
    score: Score,
    *,
    threshold: float | None,
    count: int,
    overlap: float,
    keep_scores: bool = False,
    memory_cap: int | None = None,
    check: Check = never,
) -> tuple[list[Match], NDArray[Any]]:
    """Return where a template fits best.

    Parameters
    ----------
    x : ndarray, shape (*S, C)
        What is searched, of one or two axes and one of channels.
    template : Template
        With as many axes and channels.
    variants : sequence of Variant
        What of it is looked for, where there are two axes; a match tells the number of its own.
    score : callable
        By which places are compared.
    threshold : float or None
        The least score of a match.
    count, overlap
        As in `core.match.best_matches`.
    keep_scores : bool
        Whether to return the scores of all places.
    memory_cap, check
        As in `core.conv.correlate`.

    Returns
    -------
    matches : list of Match
        The best first, of the 100,000 places of all variants that are best.
    scores : ndarray, shape (S - K + 1)
        Of one variant; empty unless they are kept.

    Raises
    ------
    InvalidInput
        No variant fits into ``x``, or one becomes too small.

    Examples
    --------
    >>> from core.match.scores import raw
    >>> x = np.array([0.0, 1, 5, 1, 0])[:, None]
    >>> options = {"threshold": None, "count": 1, "overlap": 0.3}
    >>> [match], _ = search(x, Template(np.ones((3, 1))), [Variant(1, 0)], raw, **options)
    >>> match.start, match.score
    ((1.0,), 7.0)
    """
    on = array_module(x).asarray
    candidates: list[Match] = []
    pieces: list[NDArray[Any]] = []
    is_picture = x.ndim == 3
    shapes = [
        warped_shape(template.shape, *variant) if is_picture else template.shape
        for variant in variants
    ]
    fitting = [all(k <= n for k, n in zip(s, x.shape[:-1], strict=True)) for s in shapes]
    if not any(fitting):
        raise InvalidInput(
            "the template is larger than the input",
            field="template",
            given=" × ".join(map(str, min(shapes, key=math.prod))),
            accepted=f"at most {' × '.join(map(str, x.shape[:-1]))}",
        )
    for number, variant in enumerate(variants):
        if not fitting[number]:
            continue
        # Made when it is wanted: thousands of them take more memory than a worker has.
        made = warp(template, *variant) if is_picture else template
        weights = made.weights
        there = Template(on(made.values), None if weights is None else on(weights))
        length = made.shape[0]
        step = len(x) if is_picture else BLOCK
        for start in range(0, len(x) - length + 1, step):
            # One place more on both sides, so that what rises across a seam is seen to rise.
            first, last = max(start - 1, 0), min(start + step + length, len(x))
            found = to_numpy(score(x[first:last], there, memory_cap=memory_cap, check=check))
            candidates += [
                match
                for match in local_maxima(found, made.shape, threshold, number, first)
                if start - 0.5 <= match.start[0] < start + step - 0.5 or step >= len(x)
            ]
            if len(candidates) > 2 * _MOST:
                # Stable, as the search for the best is: of equal ones the first stay.
                candidates.sort(key=lambda match: -match.score)
                del candidates[_MOST:]
            if keep_scores:
                pieces.append(found[start - first : start - first + step])
    scores = np.concatenate(pieces) if pieces else np.empty(0)
    return best_matches(candidates, count, overlap), scores


def candidates_size(places: int, maps: int) -> int:
    """Return how many bytes the candidates of a `search` take at most.

    Parameters
    ----------
    places : int
        Of one map of scores.
    maps : int
        One for each variant, and block of a recording.

    Examples
    --------
    >>> candidates_size(100, 3), candidates_size(1 << 20, 36_000)
    (90000, 66000000)
    """
    of_a_map = min(places, MOST_OF_A_MAP)
    return _BYTES_A_CANDIDATE * min(maps * of_a_map, 2 * _MOST + of_a_map)
