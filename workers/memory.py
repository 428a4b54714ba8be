"""How much memory this process may have."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
# Of cgroups of version 2, and of version 1.
_LIMITS = (_CGROUPS / "memory.max", _CGROUPS / "memory" / "memory.limit_in_bytes")


def available(limits: Sequence[Path] = _LIMITS) -> int:
    """Return the bytes of the machine's memory, or of the container's if that is less.

    Parameters
    ----------
    limits : sequence of Path
        Where Linux tells the limit of the container; there is one of them at most.

    Examples
    --------
    >>> available() > 0
    True
    """
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in limits:
        try:
            text = limit.read_text().strip()
        except OSError:
            continue
        return machine if text == "max" else min(machine, int(text))
    return machine
