"""``python -m bench.page``: the dashboard with a thousand and with a hundred thousand jobs."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright

import convq
from bench.measure import machine, publish
from bench.page.records import fill
from bench.page.times import measured
from convq.stack import LocalStack
from core.settings import Settings
from core.store.connection import connect
from core.store.jobs import JobStore

_CHROMIUM = "/usr/bin/chromium"


def main() -> int:
    """Measure, and write bench/results/page.{json,md}."""
    parser = argparse.ArgumentParser(prog="python -m bench.page", description=__doc__)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1000, 100_000])
    parser.add_argument("--out", type=Path, default=Path("bench/results/page"))
    parser.add_argument("--data", type=Path, help="keep the jobs here, for the next time")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="convq-page-") as temporary:
        data = asked.data or Path(temporary)
        found = {str(number): times(number, data / str(number)) for number in sorted(asked.jobs)}
    report = {"machine": machine(), "times": found}
    publish(report, markdown(report), asked.out)
    sys.stdout.write(markdown(report))
    return 0


def times(number: int, folder: Path) -> dict[str, float]:
    """Return the milliseconds of everything that is done, with so many jobs.

    Parameters
    ----------
    number : int
        How many jobs.
    folder : Path
        Of the service; what it holds from before is used again.
    """
    with (
        LocalStack(folder) as stack,
        convq.Client(stack.url) as client,
        sync_playwright() as playwright,
    ):
        # The records are made here; no worker shall take one.
        client.drain_worker(stack.workers[0])
        jobs = JobStore(connect(Settings(redis_url=stack.redis_url)))
        missing = number - sum(jobs.counts().values())
        if missing > 0:
            digest = client.upload(b"a picture").digest
            spec = {"kind": "convolve", "inputs": [digest], "kernel": {"preset": "box"}}
            fill(jobs, digest, json.dumps(spec), missing)
        two = [client.submit(inputs=[np.zeros((4, 4))], kernel="box").id for _ in range(2)]
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        found = dict(measured(browser, stack.url, *two))
        browser.close()
    return found


def markdown(report: dict[str, Any]) -> str:
    """Return the report as a page."""
    about, found = report["machine"], report["times"]
    numbers = list(found)
    lines = [
        "# The dashboard with many jobs",
        "",
        "Milliseconds in Chromium until what was asked for can be seen, medians; the times of "
        "answers are as the browser saw them. `make bench-page` repeats it.",
        "",
        f"{about['date']}, commit {about['commit']}, {about['cores']} cores of {about['cpu']}.",
        "",
        f"| | {' | '.join(f'{int(number):,} jobs' for number in numbers)} |",
        f"|---|{'---:|' * len(numbers)}",
    ]
    for name in found[numbers[0]]:
        cells = (f"{found[number][name]:.0f}" for number in numbers)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
