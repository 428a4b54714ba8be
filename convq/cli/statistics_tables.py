"""How the service fares, as tables and curves in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from convq.cli.console import text
from convq.cli.curve import draw
from convq.cli.tables import facts, jobs_table, state, table
from convq.client import History, Job, Past, Percentiles, Stats, Worker
from convq.units import age, counted, duration, size

_HEIGHT = 6
_LABELS = 10
_BAR = 10
_WIDEST = 100
_STEPS = {"hour": "minutes", "day": "ten minutes", "week": "hours"}
_COLOURS = {"submitted": "cyan", "ended": "green", "failed": "red"}


class Rates:
    """Jobs per minute over time: what came, what ended, and what failed; printing draws them.

    Parameters
    ----------
    history : History
        The last point is left out: it is not over.
    """

    def __init__(self, history: History) -> None:
        minutes = history.step_seconds / 60
        self._window = history.window
        self._step = _STEPS[history.window]
        self._rates: dict[str, list[float]] = {name: [] for name in _COLOURS}
        for point in history.points[:-1]:
            ended = point.succeeded + point.failed + point.cancelled
            for name, count in zip(_COLOURS, (point.submitted, ended, point.failed), strict=True):
                self._rates[name].append(count / minutes)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the curves as wide as the terminal."""
        high = max(max(rates) for rates in self._rates.values())
        if high == 0:
            yield text(f"no jobs in whole {self._step} of the last {self._window}", "dim")
            return
        width = max(10, min(options.max_width, _WIDEST) - _LABELS)
        # One that is 0 throughout would only hide the line of the others.
        series = [
            (list(enumerate(rates)), _COLOURS[name])
            for name, rates in self._rates.items()
            if any(rates)
        ]
        count = len(next(iter(self._rates.values())))
        rows = draw(series, (0.0, count - 1.0), (0.0, high), width, _HEIGHT)
        for number, row in enumerate(rows):
            label = {0: f"{high:.3g}", _HEIGHT - 1: "0"}.get(number, "")
            yield Text().append(f"{label:>{_LABELS - 2}} ┤", "dim").append_text(row)
        legend = Text(" " * _LABELS)
        for name, colour in _COLOURS.items():
            legend.append(f"{name}  ", colour)
        yield legend.append(f"per minute, last {self._window}", "dim")


def lines_table(stats: Stats) -> Table:
    """Return a line for each priority: what is ready, runs and is delayed."""
    made = table(
        "PRIORITY", "READY", "RUNNING", "DELAYED", "OLDEST",
        right=("READY", "RUNNING", "DELAYED", "OLDEST"),
    )  # fmt: skip
    for name, line in stats.priorities.items():
        made.add_row(
            text(name),
            text(line.ready, "yellow" if line.ready else ""),
            text(line.running, "cyan" if line.running else ""),
            text(line.delayed),
            text(duration(line.oldest_seconds)),
        )
    return made


def headline(stats: Stats) -> Text:
    """Return the state of the service in a line."""
    line = Text()
    if stats.paused:
        line.append("paused ", "bold yellow").append("(convq queue resume)   ")
    for name, style in (("ready", "yellow"), ("running", "cyan"), ("delayed", ""), ("dead", "red")):
        count = getattr(stats, name)
        line.append(str(count), f"bold {style}" if count else "dim").append(f" {name}   ", "dim")
    return line.append(f"{stats.recent.per_minute:.4g}", "bold").append(
        " jobs a minute, the last five", "dim"
    )


def past_view(past: Past) -> RenderableType:
    """Return what happened within some time: counts, and how long jobs waited and ran."""
    ended = Text(f"{past.succeeded} succeeded")
    for count, name, style in (
        (past.failed, "failed", "red"),
        (past.cancelled, "cancelled", "magenta"),
    ):
        ended.append(f", {count} {name}", style if count else "")
    return facts(
        [
            ("submitted", text(past.submitted)),
            ("ended", ended.append(f", {past.per_minute:.4g} a minute")),
            ("waited", _percentiles(past.waited)),
            ("ran", _percentiles(past.ran)),
        ]
    )


def lanes(workers: Sequence[Worker], running: Sequence[Job]) -> RenderableType:
    """Return a line for each worker: its state, its load, and what it runs."""
    if not workers:
        return text("no workers; start one with: convq worker NAME", "yellow")
    names = ("WORKER", "STATE", "LOAD", "MEMORY", "DEVICE", "RUNS")
    made = table(*names, right=("MEMORY",), wide="RUNS")
    jobs = {job.id: job for job in running}
    for worker in workers:
        vitals = worker.vitals
        made.add_row(
            text(worker.name),
            state(worker.state),
            _bar(vitals.utilisation if vitals else None),
            text(size(vitals.memory) if vitals else "-"),
            text(_device(worker)),
            _runs(worker.running, jobs),
        )
        for number, gpu in enumerate(vitals.gpus if vitals else ()):
            told = [gpu.name]
            told += [] if gpu.temperature is None else [f"{gpu.temperature:.0f} °C"]
            told += [] if gpu.watts is None else [f"{gpu.watts:.0f} W"]
            made.add_row(
                text(f"  gpu {number}", "dim"), "", _bar(gpu.utilisation), text(size(gpu.memory)),
                text(", ".join(told)), "",
            )  # fmt: skip
    return made


def top_view(
    stats: Stats, history: History, workers: Sequence[Worker], jobs: Sequence[Job], url: str
) -> RenderableType:
    """Return the whole service on one screen."""
    running = [job for job in jobs if job.state == "running"]
    title = text("convq ", "bold").append(url, "dim")
    return Group(
        title.append(f"   {stats.at.astimezone():%H:%M:%S}   Ctrl-C to leave", "dim"),
        headline(stats),
        "",
        lines_table(stats),
        "",
        Rates(history),
        "",
        lanes(workers, running),
        "",
        jobs_table(jobs) if jobs else text("no jobs yet; try: convq demo", "dim"),
    )


def _percentiles(of: Percentiles) -> Text:
    if of.p50 is None:
        return text("-")
    parts = (f"{name} {duration(value)}" for name, value in (
        ("half", of.p50), ("90 %", of.p90), ("99 %", of.p99),
    ))  # fmt: skip
    return text(", ".join(parts) + " at most")


def _bar(share: float | None) -> Text:
    if share is None:
        return text("-")
    full = round(share * _BAR)
    style = "red" if share > 0.9 else "green"
    return Text().append("■" * full, style).append("·" * (_BAR - full), "dim").append(
        f" {share:4.0%}"
    )  # fmt: skip


def _device(worker: Worker) -> str:
    if worker.device is None:
        return "-"
    heat = worker.vitals.temperature if worker.vitals else None
    told = [worker.device.name]
    told += [] if heat is None else [f"{heat:.0f} °C"]
    told += [] if worker.fault is None else [worker.fault]
    return ", ".join(told)


def _runs(job_id: str | None, jobs: dict[str, Job]) -> Text:
    if job_id is None:
        return text("-", "dim")
    job = jobs.get(job_id)
    if job is None:
        return text(job_id)
    done = f" {job.progress.done}/{job.progress.total}" if job.progress.total else ""
    stage = f" {job.progress.stage}" if job.progress.stage else ""
    return text(f"{job.kind}{done}{stage}").append(f"  {age(job.started)}  {job_id}", "dim")


def stats_view(stats: Stats, history: History) -> RenderableType:
    """Return how the service fares, and how it has fared."""
    workers = ", ".join(f"{count} {name}" for name, count in stats.workers.items() if count)
    return Group(
        headline(stats),
        text(f"workers: {workers or 'none; start one with: convq worker NAME'}"),
        "",
        lines_table(stats),
        "",
        text(f"the last {counted(1, history.window).removeprefix('1 ')}", "bold"),
        past_view(history.total),
        "",
        Rates(history),
    )
