"""What plans turned out to take, as numbers to be added to the service's sums."""

from __future__ import annotations

from collections import Counter
from typing import Any

from core.store.sketch import bucket

RATIO_UNIT = 64
"""Ratios are counted in 64ths, so that 1 is the end of a bucket."""


def numbers(plan: dict[str, Any] | None) -> Counter[str]:
    """Return how often each algorithm took so long, and so much longer than predicted.

    Parameters
    ----------
    plan : dict or None
        What a job ran, as it is recorded at its end. Groups of inputs that were not timed, and
        plans of kinds that choose no algorithm, count for nothing.

    Returns
    -------
    Counter
        ``computed:ALGORITHM:BUCKET`` and ``computed_us:ALGORITHM`` of microseconds for an input,
        ``overrun:ALGORITHM:BUCKET`` of measured over predicted time; ``regret:ALGORITHM:BUCKET``,
        where all near candidates were timed once (method ``measure``), of the time of the one that
        is predicted to be the fastest over that of the one that is. Buckets are those of
        `core.store.sketch`.

    Examples
    --------
    >>> group = {"chosen": "direct", "inputs": 3, "seconds": 0.001, "measured_seconds": 0.002}
    >>> numbers({"groups": [group]})
    Counter({'computed_us:direct': 6000, 'computed:direct:88': 3, 'overrun:direct:56': 3})
    """
    found: Counter[str] = Counter()
    for group in (plan or {}).get("groups", ()):
        algorithm, measured = group.get("chosen"), group.get("measured_seconds")
        if algorithm is None or measured is None:
            continue
        inputs = group["inputs"]
        microseconds = round(measured * 1e6)
        found[f"computed:{algorithm}:{bucket(microseconds)}"] += inputs
        found[f"computed_us:{algorithm}"] += microseconds * inputs
        if group["seconds"] > 0:
            ratio = bucket(RATIO_UNIT * measured / group["seconds"])
            found[f"overrun:{algorithm}:{ratio}"] += inputs
        timed = [c for c in group.get("candidates", ()) if c["measured"] is not None]
        if timed:
            favourite = min(timed, key=lambda candidate: candidate["seconds"])
            best = min(candidate["measured"] for candidate in timed)
            ratio = bucket(RATIO_UNIT * favourite["measured"] / best)
            found[f"regret:{favourite['algorithm']}:{ratio}"] += inputs
    return found
