"""Watching work go on: uploads and jobs, as progress bars on stderr."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import typer
from rich.live import Live
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from convq.cli.boundary import INTERRUPTED
from convq.cli.console import err
from convq.cli.curve import Curve, figures
from convq.client import Client, Job
from convq.client.arrays import size_of
from convq.client.uploads import REFUSALS, OnRefused, none_left


def upload(client: Client, paths: Sequence[Path], on_refused: OnRefused) -> list[dict[str, Any]]:
    """Upload files and return how a job refers to them, without those that are refused.

    Raises
    ------
    InvalidInput
        If none is left.
    """
    references = []
    total = sum(map(size_of, paths))
    with _bars(DownloadColumn(), TransferSpeedColumn()) as bars:
        task = bars.add_task("uploading", total=total)
        before = 0
        for path in paths:
            size = size_of(path)
            try:
                artifact = client.upload(path, on_sent=partial(_advance, bars, task, before))
            except REFUSALS as error:
                on_refused(str(path), error)
            else:
                references.append({"artifact": artifact.digest, "name": path.name})
            before += size
    if not references:
        raise none_left([str(path) for path in paths])
    return references


def _advance(bars: Progress, task: TaskID, before: int, sent: int) -> None:
    bars.update(task, completed=before + sent)


def follow(client: Client, job: Job) -> Job:
    """Show a job's progress until it has ended, and return it as it is then.

    An interrupt leaves the job alone, says how to come back to it, and exits.
    """
    with _bars(MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()) as bars:
        task = bars.add_task(job.state, total=job.progress.total)

        def show(job: Job) -> None:
            failed = f", {job.progress.failed} failed" if job.progress.failed else ""
            bars.update(
                task,
                description=f"{job.progress.stage or job.state}{failed}",
                completed=job.progress.done,
                total=job.progress.total,
            )

        try:
            return client.wait(job, on_progress=show)
        except KeyboardInterrupt:
            bars.stop()
            _leave(job)


def follow_training(client: Client, job: Job) -> Job:
    """Draw a training's losses until it has ended, and return it as it is then.

    Where there is no terminal, each epoch is a line. An interrupt leaves the job alone.
    """
    curve = Curve()
    with Live(curve, console=err, auto_refresh=False, transient=True) as live:
        try:
            for event in client.events(job):
                if event.name != "metrics":
                    continue
                curve.add(event.data)
                if err.is_terminal:
                    live.refresh()
                elif "validation_loss" in event.data:
                    err.print(figures(event.data))
        except KeyboardInterrupt:
            live.stop()
            _leave(job)
    if err.is_terminal:
        err.print(curve)
    return client.job(job.id)


def _leave(job: Job) -> NoReturn:
    err.print(f"\njob {job.id} goes on")
    err.print(f"  watch it   convq watch {job.id}")
    err.print(f"  cancel it  convq cancel {job.id}")
    raise typer.Exit(INTERRUPTED) from None


def _bars(*columns: ProgressColumn) -> Progress:
    # Only on a terminal: a log is better without bars.
    return Progress(
        TextColumn("{task.description:<12}", markup=False),
        BarColumn(),
        *columns,
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )
