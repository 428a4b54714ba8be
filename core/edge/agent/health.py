"""How a box is: what it tells the service every now and then."""

import os
import time
from typing import Any, Dict, Iterable, Optional

from core.edge.agent.models import Models
from core.edge.agent.spool import Spool
from core.edge.runtime import board

_PERCENTILES = (50, 95, 99)
# What the service takes of notes, and of each.
_MOST_NOTES, _MOST_TEXT = 20, 1000
_RESIDENT = 1  # the second number of /proc/self/statm, in pages

_BEGAN = time.monotonic()


def health(
    models: Models, spool: Spool, problem: "Optional[str]", root: str = "/"
) -> "dict[str, Any]":
    """Return how a box is, JSON-ready.

    Parameters
    ----------
    models : Models
        What it runs.
    spool : Spool
        What waits to be delivered.
    problem : str or None
        What goes wrong at the moment.
    root : str
        Where the board's files are found.

    Returns
    -------
    dict
        ``version`` (or None) and whether it is ``proved``; what was ``refused`` last;
        ``latency`` in seconds; ``memory``, resident, in bytes; ``watts``, ``celsius`` and
        ``throttled`` as `core.edge.runtime.board.health`; ``spool``; ``uptime`` in seconds.
    """
    installed = models.installed
    version = models.version
    known = board.identity(root)
    return dict(
        board.health(root),
        version=version,
        proved=version is not None and installed.starts is None,
        refused=installed.refused,
        latency=dict(percentiles(list(models.latencies)), count=models.count),
        memory=_resident(),
        spool={"waiting": len(spool), "bytes": spool.size, "delivered": spool.before},
        uptime=round(time.monotonic() - _BEGAN, 3),
        board=known["model"],
        notes=[note[:_MOST_TEXT] for note in models.notes()[:_MOST_NOTES]],
        problem=None if problem is None else problem[:_MOST_TEXT],
    )


def percentiles(values: "Iterable[float]") -> "Dict[str, Optional[float]]":
    """Return the percentiles of some times: each the least that so many of a hundred are within.

    Examples
    --------
    >>> percentiles([0.3, 0.1, 0.2]) == {"p50": 0.2, "p95": 0.3, "p99": 0.3}
    True
    """
    ordered = sorted(values)
    found = {}  # type: dict[str, Optional[float]]
    for percent in _PERCENTILES:
        # The nearest rank, rounded up.
        place = -(-percent * len(ordered) // 100) - 1
        found["p{}".format(percent)] = round(ordered[place], 6) if ordered else None
    return found


def _resident() -> "Optional[int]":
    try:
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[_RESIDENT])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
