"""Watching over the process that feeds a parser, and going on where it died."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from fuzz.child import HANG_SECONDS

_CHILD: Final = (sys.executable, "-m", "fuzz.child")
_MEMORY: Final = 4 << 30
_MOST_DEATHS: Final = 20


def feed(name: str, seed: int, seconds: float) -> dict[str, Any]:
    """Feed the parser ``name`` for so many seconds; return its outcome, JSON-ready."""
    deadline = time.monotonic() + seconds
    outcomes: list[dict[str, Any]] = []
    first = deaths = 0
    while (left := deadline - time.monotonic()) > 0 and deaths < _MOST_DEATHS:
        outcome, last = _run(name, seed, first, left)
        outcomes.append(outcome)
        deaths += bool(outcome.get("died"))
        first = last + 1
    return _together(outcomes)


def _run(name: str, seed: int, first: int, seconds: float) -> tuple[dict[str, Any], int]:
    with tempfile.TemporaryDirectory() as folder:
        note = Path(folder, "note")
        run = subprocess.run(
            [*_CHILD, name, *map(str, (seed, first, seconds, note))],
            capture_output=True,
            text=True,
            timeout=seconds + 3 * HANG_SECONDS,
            check=False,
            preexec_fn=_bound,
        )
        last = int(note.read_text() or first) if note.exists() else first
    if run.returncode == 0:
        found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
        return found, last
    hung = f"Timeout (0:00:{HANG_SECONDS}" in run.stderr
    what = f"took more than {HANG_SECONDS} s" if hung else f"the process died ({run.returncode})"
    failure = {"number": last, "what": what, "where": run.stderr[-300:]}
    died = {"tried": last - first + 1, "failures": [failure], "died": True}
    return died | {"read": 0, "refused": 0, "slowest": 0.0, "grown": 0}, last


def _bound() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _together(outcomes: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        **{key: sum(outcome[key] for outcome in outcomes) for key in ("tried", "read", "refused")},
        **{key: max(outcome[key] for outcome in outcomes) for key in ("slowest", "grown")},
        "failures": [failure for outcome in outcomes for failure in outcome["failures"]],
    }
