"""Work under fire: a short run of what `make chaos` does at length."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.chaos.faults import FAULTS
from bench.chaos.report import broken, markdown
from bench.chaos.run import run

pytestmark = pytest.mark.stack

QUICK = {
    "lease": 2,
    "heartbeat_interval": 0.5,
    "reconcile_interval": 0.3,
    "resend_after": 1,
    "drain": 2,
    "continue_after": 1,
}


def test_nothing_accepted_is_lost_or_done_twice(tmp_path: Path) -> None:
    report = run(
        tmp_path, jobs=40, kills=6, seconds=8, seed=7, workers=1, side=1000, settings=QUICK
    )
    assert broken(report) == [], report
    assert report["verdict"]["finished"] == report["verdict"]["accepted"] == 41
    assert report["kills"] >= 1
    report["machine"] = {"date": "today", "commit": "none", "cores": 1, "cpu": "any"}
    report["note"] = "By hand."
    done = [fault.what for fault in FAULTS if fault.name in report["recovery"]]
    shown = markdown(report)
    assert done
    assert all(what in shown for what in done)
