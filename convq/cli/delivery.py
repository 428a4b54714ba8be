"""The end of a job: its results into a folder, a report, an exit code."""

from __future__ import annotations

from pathlib import Path

import typer

from convq.cli.boundary import FAILED
from convq.cli.console import answered, out, print_json, text
from convq.cli.curve import figures
from convq.cli.refusals import Refusals
from convq.cli.tables import facts, failures_table, items, state
from convq.client import Client, Job
from convq.units import counted, duration


def deliver(
    client: Client, job: Job, folder: Path | None, as_json: bool, refusals: Refusals | None = None
) -> None:
    """Download the results, report, and exit with 1 if anything failed or was refused."""
    files: list[Path] = []
    found = client.results(job)
    if folder is not None:
        files = client.download(job, folder)
    if as_json:
        print_json(
            {
                "job": answered(job),
                **answered(found),
                "files": [str(path) for path in files],
            }
            | ({} if refusals is None else {"refused": refusals.to_json()})
        )
    else:
        report(job, len(found.results), files, folder)
        if found.failures:
            out.print(failures_table(found.failures))
    if job.state != "succeeded" or found.failures or refusals:
        raise typer.Exit(FAILED)


def report(job: Job, results: int, files: list[Path], folder: Path | None) -> None:
    """Say in a few lines how a job ended and where its results are."""
    times = f"ran {duration(job.timings.ran)}, waited {duration(job.timings.queued)}"
    ended = state(job.state).append(f", {times}")
    pairs = [("job", text(job.id)), ("state", ended), ("items", items(job.progress))]
    if job.metrics:
        pairs.append(("figures", figures(job.metrics)))
    if job.error is not None:
        pairs.append(("error", text(f"{job.error.message} ({job.error.code})", "red")))
        pairs.append(("more", text(f"convq logs {job.id}")))
    if folder is not None and files:
        pairs.append(("written", text(f"{counted(len(files), 'file')} to {folder}/")))
    elif results:
        pairs.append(("results", text(f"{results}, convq results {job.id} --out FOLDER")))
    out.print(facts(pairs))
