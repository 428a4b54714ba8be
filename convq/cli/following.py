"""Watching work go on: uploads and jobs, as progress bars on stderr."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import typer
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
from convq.client import Client, Job


def upload(client: Client, paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Upload files and return how a job refers to them."""
    references = []
    total = sum(path.stat().st_size for path in paths)
    with _bars(DownloadColumn(), TransferSpeedColumn()) as bars:
        task = bars.add_task("uploading", total=total)
        before = 0
        for path in paths:
            artifact = client.upload(path, on_sent=partial(_advance, bars, task, before))
            before += artifact.size
            references.append({"artifact": artifact.digest, "name": path.name})
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
