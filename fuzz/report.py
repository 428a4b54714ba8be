"""The report of a campaign, for programs and for people."""

from __future__ import annotations

import json
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_HEAD = """\
# Hostile input

What `make fuzz` found: valid files and requests, broken in every way (flipped bits, lengths that
lie, cuts, splices, repaired checksums around broken contents), and noise; and jobs with odd inputs,
kernels and options. A parser or job must return or raise convq's own errors, within {slow:.0f} s
and {large} MiB for each input, and leave the results that it tells of; the service must answer
everything, and nothing with a status of 500 or more.

Seed {seed}, {when}, {machine}, Python {python}.

| what was fed | inputs | read | refused | failures | slowest | memory |
|---|--:|--:|--:|--:|--:|--:|
"""


_COUNTS = ("tried", "read", "refused")


def write(folder: Path, outcomes: dict[str, dict[str, Any]], *, seed: int) -> None:
    """Write ``fuzz.json`` and ``fuzz.md`` into ``folder``."""
    from fuzz.campaign import LARGE_BYTES, SLOW_SECONDS

    about = {
        "seed": seed,
        "when": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    document = about | {"outcomes": outcomes}
    (folder / "fuzz.json").write_text(json.dumps(document, indent=1) + "\n")
    rows = [_row(name, outcome) for name, outcome in outcomes.items()]
    total = {key: sum(o[key] or 0 for o in outcomes.values()) for key in _COUNTS}
    failures = [failure for outcome in outcomes.values() for failure in outcome["failures"]]
    rows.append(_row("**all**", total | {"failures": failures, "slowest": None, "grown": None}))
    head = _HEAD.format(slow=SLOW_SECONDS, large=LARGE_BYTES >> 20, **about)
    listed = "".join(f"- {failure}\n" for failure in failures[:50])
    (folder / "fuzz.md").write_text(head + "".join(rows) + (f"\n{listed}" if listed else ""))


def _row(name: str, outcome: dict[str, Any]) -> str:
    slowest = "" if outcome["slowest"] is None else f"{outcome['slowest']:.2f} s"
    grown = "" if outcome["grown"] is None else f"{outcome['grown'] >> 20} MiB"
    counts = " | ".join("" if outcome[key] is None else f"{outcome[key]:,}" for key in _COUNTS)
    return f"| {name} | {counts} | {len(outcome['failures'])} | {slowest} | {grown} |\n"
