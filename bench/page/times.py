"""How long the page takes until what was asked for can be seen."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from playwright.sync_api import Browser, Page

_RUNS = 3
_TURNED = 20
_LIVE_SECONDS = 5
_ROWS = "section[aria-label=Jobs] tbody tr"

# What is asked for is seen in the frame after the one in which it is there.
_HELPERS = """
window.seen = (test) => new Promise((done) => {
  const there = () => requestAnimationFrame(() => done(performance.now()));
  const look = () => (test() ? there() : requestAnimationFrame(look));
  look();
});
window.all = (css) => [...document.querySelectorAll(`section[aria-label=Jobs] ${css}`)];
window.keys = () => all("tbody tr").map((row) => row.dataset.key);
window.states = () => new Set(all(".pill").map((one) => one.textContent));
window.blocked = [];
new PerformanceObserver((list) => {
  window.blocked.push(...list.getEntries().map((one) => one.duration));
}).observe({ type: "longtask" });
"""

# By what is opened: the address, and what is there when it can be used.
_OPENED = {
    "overview": ("#/", ".lanes li, .tile .figure:not(:empty)"),
    "jobs": ("#/jobs", _ROWS),
    "jobs that failed": ("#/jobs?state=failed", _ROWS),
    "jobs of a kind that failed": ("#/jobs?state=failed&kind=match", _ROWS),
    "jobs with a label": ("#/jobs?label=survey 001, strip 1", _ROWS),
    "operate": ("#/operate", "section[aria-label='Dead jobs'] tbody tr"),
    "one job": ("#/jobs/{job}", "section[aria-label=Events] li"),
}


def measured(browser: Browser, url: str, job: str, other: str) -> Iterator[tuple[str, float]]:
    """Yield what was done and the milliseconds that it took.

    Parameters
    ----------
    browser : Browser
        Which browser.
    url : str
        Of the service.
    job, other : str
        Ids of queued jobs; the other one is cancelled.
    """
    for name, (view, complete) in _OPENED.items():
        address = f"{url}/{view.format(job=job)}"
        yield f"open: {name}", statistics.median(_opened(browser, address, complete))
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.add_init_script(_HELPERS)
    page = context.new_page()
    page.goto(f"{url}/#/jobs")
    page.evaluate("seen(() => keys().length)")
    yield "turn a page", statistics.median(_turned(page))
    yield "filter by state", statistics.median(_filtered(page))
    yield "look for a text that no job has", _looked_for(page)
    yield "a job that is cancelled is shown so", _told(page, url, other)
    page.goto(f"{url}/#/")
    page.reload()
    page.wait_for_timeout(1000 * _LIVE_SECONDS)
    for path in ("/v1/stats", "/v1/stats/history", "/v1/workers", "/v1/jobs"):
        yield f"overview, each second: {path}", _answered(page, path)
    yield (
        f"longest that the page was busy, in {_LIVE_SECONDS} s",
        max(page.evaluate("window.blocked"), default=0.0),
    )
    context.close()


def _opened(browser: Browser, address: str, complete: str) -> Iterator[float]:
    for _ in range(_RUNS):
        context = browser.new_context(viewport={"width": 1280, "height": 1000})
        context.add_init_script(_HELPERS)
        page = context.new_page()
        page.goto(address, wait_until="commit")
        yield float(page.evaluate("css => seen(() => document.querySelector(css))", complete))
        context.close()


def _turned(page: Page) -> Iterator[float]:
    turn = """async () => {
      const [before, at] = [keys()[0], performance.now()];
      [...document.querySelectorAll("button")].find((one) => one.textContent === "Older").click();
      return (await seen(() => keys().length && keys()[0] !== before)) - at;
    }"""
    for _ in range(_TURNED):
        if page.get_by_role("button", name="Older").is_disabled():
            return
        yield float(page.evaluate(turn))


def _filtered(page: Page) -> Iterator[float]:
    choose = """async (state) => {
      const at = performance.now();
      location.hash = `#/jobs?state=${state}`;
      const chosen = () => states().size === 1 && states().has(state) && keys().length;
      return (await seen(chosen)) - at;
    }"""
    for state in ("failed", "queued", "cancelled", "succeeded", "failed"):
        yield float(page.evaluate(choose, state))


def _looked_for(page: Page) -> float:
    look = """async () => {
      const at = performance.now();
      location.hash = "#/jobs?text=nobody-called-it-so";
      const status = () => document.querySelector("main [role=status]");
      const told = () => status()?.textContent.includes("looked at");
      return (await seen(told)) - at;
    }"""
    return float(page.evaluate(look))


def _told(page: Page, url: str, job: str) -> float:
    page.goto(f"{url}/#/jobs/{job}")
    state = "document.querySelector('section[aria-label=State] .pill')?.textContent"
    page.evaluate(f"seen(() => {state} === 'queued' && document.querySelector('.events li'))")
    cancel = f"""async (job) => {{
      const at = performance.now();
      await fetch(`/v1/jobs/${{job}}/cancel`, {{ method: "POST" }});
      return (await seen(() => {state} === "cancelled")) - at;
    }}"""
    return float(page.evaluate(cancel, job))


def _answered(page: Page, path: str) -> float:
    asked: list[dict[str, Any]] = page.evaluate(
        "performance.getEntriesByType('resource').map(({name, duration}) => ({name, duration}))"
    )
    times = [one["duration"] for one in asked if one["name"].split("?")[0].endswith(path)]
    return statistics.median(times)
