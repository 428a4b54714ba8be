"""How much memory this process may have."""

from __future__ import annotations

import os
from pathlib import Path

_LIMIT = Path("/sys/fs/cgroup/memory.max")


def available(limit: Path = _LIMIT) -> int:
    """Return the bytes of the machine's memory, or of the container's if that is less.

    Parameters
    ----------
    limit : Path
        Where Linux tells the limit of the container (cgroup version 2).

    Examples
    --------
    >>> available() > 0
    True
    """
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        text = limit.read_text().strip()
    except OSError:
        return machine
    return machine if text == "max" else min(machine, int(text))
