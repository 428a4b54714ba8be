"""Quantiles of times from few counters: a histogram whose buckets have a constant ratio.

Charles Masson, Jee E. Rim and Homin K. Lee, "DDSketch: a fast and fully-mergeable quantile sketch
with relative-error guarantees", PVLDB 12(12), 2019. Sketches are added by adding their counters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

PER_OCTAVE = 8
"""Buckets within a factor of two, as in ``core/store/lua/_history.lua``."""

RATIO = 2 ** (1 / PER_OCTAVE)

ERROR = (RATIO - 1) / (RATIO + 1)
"""Most that a quantile is wrong by, as a share of it: 4.3 %."""


def bucket(milliseconds: float) -> int:
    """Return the bucket that a time is counted in: the least whose `upper` is not below it.

    Examples
    --------
    >>> bucket(0), bucket(1), bucket(2), bucket(1000)
    (0, 0, 8, 80)
    """
    return 0 if milliseconds <= 1 else math.ceil(math.log2(milliseconds) * PER_OCTAVE)


def upper(index: int) -> float:
    """Return the longest time of a bucket, in seconds.

    Examples
    --------
    >>> upper(0), upper(8)
    (0.001, 0.002)
    """
    return 2 ** (index / PER_OCTAVE) / 1000


def quantiles(counts: Mapping[int, int], shares: Sequence[float]) -> list[float | None]:
    """Return the times below which the given shares of all lie, in seconds.

    Parameters
    ----------
    counts : mapping of int to int
        How many times are in each bucket.
    shares : sequence of float
        Ascending, between 0 and 1.

    Returns
    -------
    list of float or None
        Each within `ERROR` of a time that was counted, if that was longer than a millisecond; None
        if nothing was counted.

    Examples
    --------
    >>> one_second = {bucket(1000): 10}
    >>> [round(found, 2) for found in quantiles(one_second, [0.5, 0.99])]
    [0.98, 0.98]
    >>> quantiles({}, [0.5])
    [None]
    """
    total = sum(counts.values())
    if not total:
        return [None] * len(shares)
    found: list[float | None] = []
    ordered = iter(sorted(counts.items()))
    index, seen = next(ordered)
    for share in shares:
        # The smallest time that is not below this share of all.
        wanted = max(1, math.ceil(share * total))
        while seen < wanted:
            index, more = next(ordered)
            seen += more
        # The middle of a bucket, in the sense that its ends are equally far as shares of it.
        found.append(upper(index) * 2 / (RATIO + 1))
    return found
