"""``convq submit``: upload, queue, follow, download."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from convq.cli.command import Command, Group
from convq.cli.options import (
    AsJson,
    AxisOption,
    BoundaryOption,
    CvalOption,
    Files,
    KernelOption,
    MethodOption,
    ModeOption,
    NormalizeOption,
    OperationOption,
    OutputOption,
    PriorityOption,
    RangeOption,
    Url,
    convolve_spec,
)

app = typer.Typer(
    cls=Group, no_args_is_help=True, help="Submit a job, follow it, fetch its results."
)


@app.callback()
def submit() -> None:
    """Submit a job, follow it, fetch its results."""


@app.command(cls=Command)
def convolve(
    files: Files,
    kernel: KernelOption,
    normalize: NormalizeOption = None,
    mode: ModeOption = None,
    boundary: BoundaryOption = None,
    cval: CvalOption = None,
    axis: AxisOption = None,
    operation: OperationOption = None,
    method: MethodOption = None,
    output: OutputOption = None,
    range_policy: RangeOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FOLDER", rich_help_panel="The result", help="Download to here."
        ),
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="A name to find the job by.", show_default=False)
    ] = None,
    priority: PriorityOption = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Print the job's id and do not wait.")
    ] = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Filter files with a kernel.

    [bold]convq submit convolve photos/*.jpg --kernel sobel-magnitude --out edges/[/bold]
    """
    from convq.cli.boundary import FAILED
    from convq.cli.console import answered, err, print_json, text
    from convq.cli.delivery import deliver
    from convq.cli.files import expand
    from convq.cli.following import follow, upload
    from convq.cli.presets import check_preset, of_service
    from convq.cli.refusals import Refusals
    from convq.cli.tables import facts, plan_line
    from convq.client import Client

    if detach and out is not None:
        raise typer.BadParameter("a detached job has no results to write yet", param_hint="--out")
    spec = convolve_spec(
        kernel,
        normalize=normalize,
        mode=mode,
        boundary=boundary,
        cval=cval,
        axes=axis,
        operation=operation,
        method=method,
        output=output,
        range_policy=range_policy,
    )
    if priority is not None:
        spec["priority"] = priority
    paths = expand(files)
    refusals = Refusals()
    with Client(url) as client:
        check_preset(spec["kernel"], partial(of_service, client))
        inputs = upload(client, paths, refusals)
        job = client.submit("convolve", inputs=inputs, label=label, **spec)
        if detach:
            if as_json:
                print_json({"job": answered(job), "refused": refusals.to_json()})
            else:
                typer.echo(job.id)
            raise typer.Exit(FAILED if refusals else 0)
        if job.plan is not None and not as_json:
            err.print(facts([("job", text(job.id)), ("plan", plan_line(job.plan))]))
        deliver(client, follow(client, job), out, as_json, refusals)
