"""Answers of the service as tables and lines that fit 80 columns, in colour or without."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from convq.cli.console import text
from convq.cli.curve import figures
from convq.client import Failure, Job, JobPlan, PlanGroup, Progress, Queue, Result, Worker
from convq.client.text import group_title
from convq.units import age, counted, dimensions, duration, size

_STYLES = {
    "queued": "yellow",
    "running": "cyan",
    "waiting": "cyan",
    "succeeded": "green",
    "failed": "red",
    "cancelled": "magenta",
    "up": "green",
    "busy": "cyan",
    "draining": "yellow",
    "out": "red",
    "unknown": "yellow",
    "down": "red",
}


def state(name: str) -> Text:
    """Return a state in its colour."""
    return text(name, _STYLES.get(name, ""))


def table(*columns: str, right: Sequence[str] = (), wide: str | None = None) -> Table:
    """Return an empty table without lines; the ``wide`` column takes what room is left."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        made.add_column(
            column,
            justify="right" if column in right else "left",
            no_wrap=column != wide,
            overflow="ellipsis" if column != wide else "fold",
        )
    return made


def facts(pairs: Iterable[tuple[str, RenderableType]]) -> Table:
    """Return names and values, one pair a line."""
    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in pairs:
        made.add_row(name, value)
    return made


def jobs_table(jobs: Iterable[Job], *, tenants: bool = False) -> Table:
    """Return a line for each job, with whose it is if that is wanted."""
    names = (
        "ID",
        *(("TENANT",) if tenants else ()),
        "STATE",
        "KIND",
        "GOOD",
        "RAN",
        "AGE",
        "LABEL",
    )
    made = table(*names, right=("GOOD", "RAN", "AGE"), wide="LABEL")
    for job in jobs:
        made.add_row(
            text(job.id),
            *((text(job.tenant),) if tenants else ()),
            state(job.state),
            text(job.kind),
            _good(job.progress),
            duration(job.timings.ran),
            age(job.created),
            text(job.label or ""),
        )
    return made


def items(progress: Progress) -> Text:
    """Return how many items are done, and how many of them failed."""
    shown = text(f"{progress.done} of {counted(progress.total or 0, 'item')} done")
    return shown.append(f", {progress.failed} failed", "red") if progress.failed else shown


def job_view(job: Job) -> RenderableType:
    """Return everything about one job."""
    times = f"waited {duration(job.timings.queued)}, ran {duration(job.timings.ran)}"
    progress = items(job.progress)
    if job.progress.stage and not job.ended:
        progress.append(f"  {job.progress.stage}")
    pairs: list[tuple[str, RenderableType]] = [
        ("job", text(job.id, "bold")),
        ("kind", text(job.kind)),
        ("state", _state_of(job)),
        ("items", progress),
        ("time", text(times)),
    ]
    if job.label:
        pairs.insert(2, ("label", text(job.label)))
    if job.created is not None:
        created = job.created.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        pairs.append(("created", text(f"{created} ({age(job.created)} ago)")))
    if job.timings.stages:
        stages = (f"{name} {duration(seconds)}" for name, seconds in job.timings.stages.items())
        pairs.append(("stages", text(", ".join(stages))))
    if job.metrics:
        pairs.append(("figures", figures(job.metrics)))
    if job.error is not None:
        pairs.append(("error", text(f"{job.error.message} ({job.error.code})", "red")))
    parts: list[RenderableType] = [facts(pairs)]
    if job.attempts:
        parts += ["", _attempts(job)]
    if job.plan is not None:
        parts += ["", plan_view(job.plan)]
    return Group(*parts)


def plan_line(plan: JobPlan) -> Text:
    """Return a plan in one line: which algorithm, on what, how long."""
    chosen = dict.fromkeys(group.chosen for group in plan.groups if group.chosen)
    line = text(", ".join(chosen), "bold")
    line.append(f"  {duration(plan.seconds)} and {size(plan.bytes)} predicted")
    reasons = list(dict.fromkeys(group.why for group in plan.groups if group.why))
    if len(reasons) == 1:
        line.append("\n").append_text(text(reasons[0], "dim"))
    elif reasons:
        line.append(f"\n{counted(len(plan.groups), 'sort')} of inputs; see convq show", "dim")
    return line


def plan_view(plan: JobPlan) -> RenderableType:
    """Return a plan: for each sort of input the candidates, with the chosen one marked."""
    parts: list[RenderableType] = []
    for group in plan.groups:
        parts += [_group(group), ""]
    device = plan.device.get("name", "")
    total = f"in all {duration(plan.seconds)} and {size(plan.bytes)} predicted"
    return Group(*parts, text(f"{total}, on {device}" if device else total))


def sweep_table(document: Mapping[str, Any]) -> Table:
    """Return a line for each candidate of a sweep, the best first."""
    rows = document["candidates"]
    objective = document["objective"]
    varied = list(rows[0]["values"])
    names = ("RANK", *varied, objective.upper().replace("_", " "), "EPOCHS", "STATE")
    made = table(*names, right=("RANK", "EPOCHS"), wide=varied[0] if varied else None)
    for row in rows:
        figure = row[objective]
        made.add_row(
            text(row["rank"]),
            *(text(_short(value)) for value in row["values"].values()),
            text("-" if figure is None else f"{figure:.5g}"),
            text(row["epochs"]),
            text(row["state"]) if row["error"] is None else text(row["error"], "red"),
        )
    return made


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value)


def failures_table(failures: Iterable[Failure]) -> Table:
    """Return a line for each input that failed."""
    made = table("FAILED", "WHY", wide="WHY")
    for failure in failures:
        made.add_row(text(failure.name, "red"), text(f"{failure.message} ({failure.code})"))
    return made


def results_table(results: Iterable[Result]) -> Table:
    """Return a line for each result."""
    made = table("NAME", "TYPE", "SHAPE", "DTYPE", "SIZE", right=("SIZE",))
    for result in results:
        made.add_row(
            text(result.name),
            text(result.media_type),
            dimensions(result.shape or ()),
            text(result.dtype or ""),
            size(result.size),
        )
    return made


def queue_view(queue: Queue) -> RenderableType:
    """Return how much there is to do."""
    pairs: list[tuple[str, RenderableType]] = [
        (name, text(count, _STYLES.get(name, "") if count else ""))
        for name, count in queue.counts.items()
    ]
    pairs.append(("longest wait", text(duration(queue.oldest_seconds))))
    if queue.paused:
        pairs.append(("paused", text("no job begins until: convq queue resume", "yellow")))
    return facts(pairs)


def workers_table(workers: Iterable[Worker]) -> Table:
    """Return a line for each worker."""
    made = table("WORKER", "STATE", "RUNNING", "SEEN", "DEVICE", right=("SEEN",), wide="DEVICE")
    for worker in workers:
        made.add_row(
            text(worker.name),
            state(worker.state),
            text(worker.running or "-"),
            age(worker.last_seen),
            _device_of(worker),
        )
    return made


def _device_of(worker: Worker) -> Text:
    device = worker.device
    shown = text(f"{device.kind}: {device.name}" if device else "-")
    if worker.fault is not None:
        shown.append(f", {worker.fault}", "red")
    return shown


def _good(progress: Progress) -> Text:
    good = f"{progress.done - progress.failed}/{progress.total or 0}"
    return text(good, "red" if progress.failed else "")


def _state_of(job: Job) -> Text:
    shown = state(job.state)
    if job.cancel_requested and not job.ended:
        shown.append(", asked to stop")
    if job.waits_for is not None:
        shown.append(f", waits for {job.waits_for}")
    return shown


def _attempts(job: Job) -> Table:
    made = table("ATTEMPT", "WORKER", "RAN", "OUTCOME", "REASON", right=("RAN",), wide="REASON")
    for attempt in job.attempts:
        ran = None
        if attempt.started is not None and attempt.ended is not None:
            ran = (attempt.ended - attempt.started).total_seconds()
        made.add_row(
            text(attempt.number),
            text(attempt.worker or ""),
            duration(ran),
            state(attempt.outcome or "running"),
            text(attempt.reason or ""),
        )
    return made


def _group(group: PlanGroup) -> RenderableType:
    head = text(group_title(group), "bold")
    if group.error is not None:
        return Group(head, text(f"will fail: {group.error.message} ({group.error.code})", "red"))
    why = text(f"{group.chosen}: {group.why}")
    if group.measured_seconds is not None:
        why.append(f"\nmeasured: {duration(group.measured_seconds)} for an input on average")
    return Group(head, *([_candidates(group)] if group.candidates else []), why)


def _candidates(group: PlanGroup) -> Table:
    made = table("", "ALGORITHM", "PREDICTED", "MEMORY", "", right=("PREDICTED", "MEMORY"))
    made.columns[-1].no_wrap = False
    for candidate in group.candidates:
        chosen = candidate.algorithm == group.chosen
        style = "bold green" if chosen else "dim" if candidate.refused else ""
        made.add_row(
            "*" if chosen else "",
            candidate.algorithm,
            duration(candidate.seconds),
            size(candidate.bytes),
            text(f"refused: {candidate.refused}" if candidate.refused else ""),
            style=style,
        )
    return made
