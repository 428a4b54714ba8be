"""Timing of several programs side by side, in turn, in one process."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
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

# A contender has several turns in a cell; in each it is called for a while without a pause.
_TURNS = 4
_TURN_SECONDS, _MOST_CALLS = 0.02, 20
_CELL_SECONDS = 8.0
# Threads of the one before may still be spinning, which OpenMP's do for a while.
_PAUSE_SECONDS = 0.005


def in_turn(calls: dict[str, Call]) -> dict[str, float]:
    """Time the calls in turn, so that a drift of the machine hits all alike.

    The first call of each turn is not counted: it pays for caches, plans and threads that sleep.

    Returns the median seconds of each.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    start = time.perf_counter()
    for _ in range(_TURNS):
        for name, call in calls.items():
            times[name] += _turn(call)
        if time.perf_counter() - start > _CELL_SECONDS / 2:
            break
    return {name: statistics.median(values) for name, values in times.items()}


def _turn(call: Call) -> list[float]:
    time.sleep(_PAUSE_SECONDS)
    call()
    times: list[float] = []
    while not times or (sum(times) < _TURN_SECONDS and len(times) < _MOST_CALLS):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return times


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


def publish(report: dict[str, Any], text: str, out: Path) -> None:
    """Write a report as JSON, and what it says as Markdown, to ``out`` with these suffixes."""
    out.with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n")
    out.with_suffix(".md").write_text(text)


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
