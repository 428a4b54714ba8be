"""The commands for jobs that exist."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from convq.cli.options import AsJson, JobId, Out, Url
from core.store.states import State

if TYPE_CHECKING:
    from convq.client import Job


def list_jobs(
    state: Annotated[State | None, typer.Option(help="Only those in this state.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only those of this kind.")] = None,
    label: Annotated[str | None, typer.Option(help="Only those with this label.")] = None,
    tenant: Annotated[
        str | None,
        typer.Option(help="Only those of this tenant, '*' for all; wants the scope admin."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Draw the list anew every second, until Ctrl-C.")
    ] = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List jobs, newest first.

    [bold]convq jobs --state running --watch[/bold]
    """
    from convq.cli.console import answered, err, out, print_json
    from convq.cli.live import stay
    from convq.cli.tables import jobs_table
    from convq.client import Client

    if watch and as_json:
        raise typer.BadParameter("what goes on is no document", param_hint="--json")
    with Client(url) as client:

        def newest(count: int) -> list[Job]:
            found = client.jobs(state=state, kind=kind, label=label, tenant=tenant)
            return list(islice(found, count))

        if watch:
            stay(lambda: jobs_table(newest(limit), tenants=tenant is not None), screen=False)
            return
        some = newest(limit + 1)
    found = some[:limit]
    if as_json:
        print_json({"jobs": [answered(job) for job in found]})
    elif found:
        out.print(jobs_table(found, tenants=tenant is not None))
    else:
        err.print("no jobs")
    if len(some) > limit:
        err.print(f"there are more; --limit {2 * limit} shows twice as many")


def show(job_id: JobId, as_json: AsJson = False, url: Url = None) -> None:
    """Show one job: state, times, attempts, and its plan with all candidates."""
    from convq.cli.connection import resolve
    from convq.cli.console import answered, out, print_json
    from convq.cli.tables import job_view
    from convq.client import Client

    with Client(url) as client:
        job = client.job(resolve(client, job_id))
    if as_json:
        print_json(answered(job))
    else:
        out.print(job_view(job))


def watch(job_id: JobId, out: Out = None, as_json: AsJson = False, url: Url = None) -> None:
    """Follow a job to its end."""
    from convq.cli.connection import resolve
    from convq.cli.delivery import deliver
    from convq.cli.following import follow, follow_training
    from convq.client import Client

    with Client(url) as client:
        job = client.job(resolve(client, job_id))
        done = follow_training(client, job) if job.kind == "train" else follow(client, job)
        deliver(client, done, out, as_json)


def results(job_id: JobId, out: Out = None, as_json: AsJson = False, url: Url = None) -> None:
    """List the results of a job, or download them."""
    from convq.cli import console
    from convq.cli.connection import resolve
    from convq.cli.tables import failures_table, results_table
    from convq.client import Client
    from convq.units import counted

    with Client(url) as client:
        full_id = resolve(client, job_id)
        found = client.results(full_id)
        files = [] if out is None else client.download(full_id, out)
    if as_json:
        console.print_json(console.answered(found) | {"files": [str(path) for path in files]})
        return
    if out is None and found.results:
        console.out.print(results_table(found.results))
    elif out is not None:
        console.out.print(console.text(f"{counted(len(files), 'file')} written to {out}/"))
    if found.failures:
        console.out.print(failures_table(found.failures))


def cancel(job_id: JobId, as_json: AsJson = False, url: Url = None) -> None:
    """Ask for a job to stop."""
    from convq.cli.connection import resolve
    from convq.client import Client

    with Client(url) as client:
        _say(client.cancel(resolve(client, job_id)), as_json)


def retry(job_id: JobId, as_json: AsJson = False, url: Url = None) -> None:
    """Queue a failed or cancelled job again."""
    from convq.cli.connection import resolve
    from convq.client import Client

    with Client(url) as client:
        _say(client.retry(resolve(client, job_id)), as_json)


def delete(job_id: JobId, url: Url = None) -> None:
    """Forget a job that has ended, and its results."""
    from convq.cli.connection import resolve
    from convq.client import Client

    with Client(url) as client:
        full_id = resolve(client, job_id)
        client.delete(full_id)
    typer.echo(f"job {full_id} is deleted")


def _say(job: object, as_json: bool) -> None:
    from convq.cli.console import answered, out, print_json, text
    from convq.cli.tables import state
    from convq.client import Job

    assert isinstance(job, Job)
    if as_json:
        print_json(answered(job))
        return
    asked = job.cancel_requested and not job.ended
    now = text("asked to stop") if asked else state(job.state)
    out.print(text(f"job {job.id} is ").append_text(now))
