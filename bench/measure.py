"""Timing of several programs side by side, in turn, in one process."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import platform
import re
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Call = Callable[[], Any]

# A contender is timed at least this often, and for this long in all.
_LEAST_ROUNDS, _MOST_ROUNDS = 3, 25
_SECONDS_PER_CELL = 1.5


def in_turn(calls: dict[str, Call]) -> dict[str, float]:
    """Time every call once per round, so that a drift of the machine hits all alike.

    Returns the median seconds of each.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    # The first call of each pays for caches, plans and compilation; it is not counted.
    slowest = 0.0
    for call in calls.values():
        start = time.perf_counter()
        call()
        slowest = max(slowest, time.perf_counter() - start)
    budget = _SECONDS_PER_CELL * len(calls)
    start = time.perf_counter()
    for round_number in range(_MOST_ROUNDS):
        if round_number >= _LEAST_ROUNDS and time.perf_counter() - start > budget:
            break
        for name, call in calls.items():
            begin = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(values) for name, values in times.items()}


def machine() -> dict[str, Any]:
    """Describe what the figures were measured on and with."""
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    packages = ("numpy", "scipy", "llvmlite", "opencv-python-headless", "torch", "celery", "redis")
    return {
        "date": dt.date.today().isoformat(),
        "commit": _git("describe", "--always", "--dirty"),
        "cpu": found[1] if found else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in packages},
    }


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
    )
    return done.stdout.strip() or "unknown"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
