"""``convq logs``: what workers logged about a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from convq.cli.options import AsJson, JobId, Url

if TYPE_CHECKING:
    from datetime import datetime

    from rich.text import Text

    from convq.client import Attempt, Client, Job, LogLine

_STYLES = {"warning": "yellow", "error": "red", "critical": "bold red", "debug": "dim"}


def logs(
    job_id: JobId,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the job has ended.")
    ] = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Show what workers logged about a job, between the attempts at it.

    [bold]convq logs 06h0 --follow[/bold]
    """
    from convq.cli.connection import resolve
    from convq.cli.console import answered, err, out, print_json
    from convq.client import Client

    if follow and as_json:
        raise typer.BadParameter("what goes on is no document", param_hint="--json")
    with Client(url) as client:
        job = client.job(resolve(client, job_id))
        if follow:
            _follow(client, job)
            return
        lines = client.logs(job)
    if as_json:
        print_json({"lines": [answered(line) for line in lines]})
        return
    told = [(line.time, shown(line)) for line in lines]
    for attempt in job.attempts:
        told += _story(attempt)
    # Of the same moment, what was said first stays first.
    for _, text in sorted(told, key=lambda entry: entry[0]):
        out.print(text)
    if not job.attempts:
        err.print(f"no worker has begun it; it is {job.state}; try: convq queue")
    elif not job.ended:
        err.print(f"it is {job.state}; to see what comes: convq logs {job.id} --follow")


def _follow(client: Client, job: Job) -> None:
    from convq.cli.boundary import INTERRUPTED
    from convq.cli.console import out, text
    from convq.client import LogLine

    try:
        for event in client.events(job):
            if event.name == "log":
                out.print(shown(LogLine.model_validate(event.data)))
            elif event.name == "state":
                by = f" by {event.data['worker']}" if "worker" in event.data else ""
                why = f": {event.data['reason']}" if event.data.get("reason") else ""
                out.print(text(f"{event.data['state']}{by}{why}", "bold"))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def shown(line: LogLine) -> Text:
    """Return a line as people read it: time, level, who says it, what, and the details."""
    from convq.cli.console import text

    made = text(f"{line.time.astimezone():%H:%M:%S} ", "dim")
    made.append_text(text(f"{line.level} ", _STYLES.get(line.level, "")))
    made.append_text(text(f"{line.logger}: ", "dim")).append_text(text(line.event))
    for name, value in line.fields.items():
        made.append_text(text(f" {name}={value}", "dim"))
    for row in (line.traceback or "").splitlines():
        made.append("\n  ").append_text(text(row, "red"))
    return made


def _story(attempt: Attempt) -> list[tuple[datetime, Text]]:
    from convq.cli.console import text

    why = f": {attempt.reason}" if attempt.reason else ""
    told = [
        (attempt.started, f"attempt {attempt.number} begins on {attempt.worker}"),
        (attempt.ended, f"attempt {attempt.number} ends, {attempt.outcome}{why}"),
    ]
    return [(at, text(what, "bold")) for at, what in told if at is not None]
