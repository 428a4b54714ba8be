"""``python -m bench.page.day``: what a browser holds that stays open, in fast time."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import CDPSession, sync_playwright

import convq
from bench.measure import machine, publish
from convq.stack import LocalStack

_CHROMIUM = "/usr/bin/chromium"
# Views that never stop asking, and one that follows a stream.
VIEWS = ("#/", "#/jobs", "#/training", "#/models", "#/operate", "#/gallery")

# So many times as fast as clocks go: timers come early, and it is later than it is. The service
# could not answer as fast: what it said a moment ago is said again. What streams is left alone.
FAST = """
const [wait, ask, now, began, times] = [setTimeout, fetch, Date.now, Date.now(), TIMES];
const known = new Map();
window.asked = 0;
window.setTimeout = (then, milliseconds, ...more) => wait(then, milliseconds / times, ...more);
Date.now = () => began + times * (now() - began);
window.fetch = async (path, options = {}) => {
  window.asked += 1;
  const asks = (options.method ?? "GET") === "GET" && !path.includes("/events");
  if (!asks) return ask(path, options);
  if (!known.has(path) || now() - known.get(path).at > 500) {
    const response = await ask(path, options);
    if (!response.headers.get("Content-Type")?.includes("json")) return response;
    known.set(path, { at: now(), text: await response.text(), status: response.status });
  }
  if (known.size > 50) known.delete(known.keys().next().value);
  const { text, status } = known.get(path);
  return new Response(text, { status, headers: { "Content-Type": "application/json" } });
};
"""
_ROUNDS = 8
_GROWTH = 1.1


def main() -> int:
    """Run, write bench/results/page-day.{json,md}, and return 1 if the page grew by a tenth."""
    parser = argparse.ArgumentParser(prog="python -m bench.page.day", description=__doc__)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--times", type=int, default=100, help="how many times as fast")
    parser.add_argument("--out", type=Path, default=Path("bench/results/page-day"))
    asked = parser.parse_args()
    samples = list(watched(asked.minutes, asked.times))
    report = {"machine": machine(), "times": asked.times, "samples": samples}
    publish(report, markdown(report), asked.out)
    sys.stdout.write(markdown(report))
    return int(has_grown(samples))


def watched(minutes: float, times: int) -> Iterator[dict[str, Any]]:
    """Yield what a page holds, at times, while jobs come and go and all views are shown in turn."""
    with (
        tempfile.TemporaryDirectory(prefix="convq-page-") as folder,
        LocalStack(Path(folder)) as stack,
        convq.Client(stack.url) as client,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.add_init_script(FAST.replace("TIMES", str(times)))
        devtools = page.context.new_cdp_session(page)
        page.goto(f"{stack.url}/#/")
        # The first round is not told: scripts are loaded and tables filled.
        for at in range(_ROUNDS + 1):
            for view in VIEWS:
                spec = {"inputs": [np.zeros((8, 8), np.float32)], "kernel": "box"}
                client.submit_many([{**spec, "label": f"round {at}, {view}"} for _ in range(4)])
                page.evaluate("hash => { location.hash = hash }", view)
                page.wait_for_timeout(60_000 * minutes / _ROUNDS / len(VIEWS))
            if at:
                yield (
                    held(devtools)
                    | {"hours": times * minutes * at / _ROUNDS / 60}
                    | {"requests": page.evaluate("asked")}
                )
        browser.close()


def held(devtools: CDPSession) -> dict[str, int]:
    """Return what a page holds once all garbage is collected: bytes, elements, listeners."""
    devtools.send("Performance.enable")
    for _ in range(3):
        devtools.send("HeapProfiler.collectGarbage")
    told = devtools.send("Performance.getMetrics")["metrics"]
    found = {one["name"]: int(one["value"]) for one in told}
    return {
        "bytes": found["JSHeapUsedSize"],
        "nodes": found["Nodes"],
        "listeners": found["JSEventListeners"],
    }


def has_grown(samples: list[dict[str, Any]]) -> bool:
    """Tell whether the last holds a tenth more of anything than the one after a quarter."""
    early, late = samples[len(samples) // 4], samples[-1]
    return any(late[name] > _GROWTH * early[name] for name in ("bytes", "nodes", "listeners"))


def markdown(report: dict[str, Any]) -> str:
    """Return the report as a page."""
    about = report["machine"]
    lines = [
        "# The dashboard in a browser that stays open",
        "",
        f"All views in turn, with timers {report['times']} times as fast, while jobs come and go; "
        "what the page holds after a forced collection of garbage. `make bench-page` repeats it.",
        "",
        f"{about['date']}, commit {about['commit']}, {about['cores']} cores of {about['cpu']}.",
        "",
        "| hours by the page's clock | requests | heap MiB | nodes | listeners |",
        "|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {one['hours']:.1f} | {one['requests']:,} | {one['bytes'] / 2**20:.2f} "
        f"| {one['nodes']:,} | {one['listeners']:,} |"
        for one in report["samples"]
    ]
    grown = "It has grown." if has_grown(report["samples"]) else "It has not grown by a tenth."
    return "\n".join([*lines, "", grown, ""])


if __name__ == "__main__":
    sys.exit(main())
