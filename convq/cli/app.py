"""All commands, in the order and the panels that ``convq --help`` shows."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from convq import __version__
from convq.cli import (
    bundle,
    datasets,
    deconvolve,
    diffuse,
    edge,
    explain,
    frequency_filter,
    gc,
    irregular_convolve,
    jobs,
    kernels,
    keys,
    local,
    logs,
    match,
    models,
    plan,
    predict,
    series,
    service,
    spectrum,
    stochastic_convolve,
    submit,
    top,
    train,
    video,
    worker,
)
from convq.cli.boundary import Commands
from convq.cli.command import Command

JOBS, SERVICE, HERE = "Jobs", "The service", "This machine"

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog="Exit codes: 0 all went well, 1 something failed, 2 the request was not acceptable, "
    "3 the service is away, 130 interrupted.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"convq {__version__}")
        raise typer.Exit


@app.callback()
def convq(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Say which version."),
    ] = False,
    api_key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            show_default=False,
            help="API key of the service; better in CONVQ_API_KEY, where no other user sees it.",
        ),
    ] = None,
) -> None:
    """Convolution as a service: submit jobs, follow them, fetch their results.

    Start a service here with [bold]convq serve[/bold].
    """
    if api_key is not None:
        # Where every command's client looks for it.
        os.environ["CONVQ_API_KEY"] = api_key


app.add_typer(submit.app, name="submit", rich_help_panel=JOBS)
app.add_typer(plan.app, name="plan", rich_help_panel=JOBS)
app.command("train", cls=Command, rich_help_panel=JOBS)(train.train)
app.command("sweep", cls=Command, rich_help_panel=JOBS)(train.sweep)
app.command("predict", cls=Command, rich_help_panel=JOBS)(predict.predict)
app.command("embed", cls=Command, rich_help_panel=JOBS)(predict.embed)
app.command("search", cls=Command, rich_help_panel=JOBS)(predict.search)
app.command("spectrum", cls=Command, rich_help_panel=JOBS)(spectrum.spectrum)
app.command("frequency-filter", cls=Command, rich_help_panel=JOBS)(
    frequency_filter.frequency_filter
)
app.command("diffuse", cls=Command, rich_help_panel=JOBS)(diffuse.diffuse)
app.command("match", cls=Command, rich_help_panel=JOBS)(match.match)
app.command("stochastic-convolve", cls=Command, rich_help_panel=JOBS)(
    stochastic_convolve.stochastic_convolve
)
app.command("series", cls=Command, rich_help_panel=JOBS)(series.series)
app.command("deconvolve", cls=Command, rich_help_panel=JOBS)(deconvolve.deconvolve)
app.command("irregular-convolve", cls=Command, rich_help_panel=JOBS)(
    irregular_convolve.irregular_convolve
)
app.command("video", cls=Command, rich_help_panel=JOBS)(video.video)
app.command("explain", cls=Command, rich_help_panel=JOBS)(explain.explain)
app.command("jobs", cls=Command, rich_help_panel=JOBS)(jobs.list_jobs)
app.command("show", cls=Command, rich_help_panel=JOBS)(jobs.show)
app.command("watch", cls=Command, rich_help_panel=JOBS)(jobs.watch)
app.command("logs", cls=Command, rich_help_panel=JOBS)(logs.logs)
app.command("results", cls=Command, rich_help_panel=JOBS)(jobs.results)
app.command("cancel", cls=Command, rich_help_panel=JOBS)(jobs.cancel)
app.command("retry", cls=Command, rich_help_panel=JOBS)(jobs.retry)
app.command("delete", cls=Command, rich_help_panel=JOBS)(jobs.delete)
app.add_typer(models.app, name="models", rich_help_panel=SERVICE)
app.add_typer(keys.app, name="keys", rich_help_panel=SERVICE)
app.command("gc", cls=Command, rich_help_panel=SERVICE)(gc.gc)
app.command("top", cls=Command, rich_help_panel=SERVICE)(top.top)
app.command("stats", cls=Command, rich_help_panel=SERVICE)(top.stats)
app.add_typer(service.app, name="queue", rich_help_panel=SERVICE)
app.command("workers", cls=Command, rich_help_panel=SERVICE)(worker.list_workers)
app.command("kernels", cls=Command, rich_help_panel=HERE)(kernels.kernels)
app.add_typer(datasets.app, name="datasets", rich_help_panel=HERE)
app.add_typer(bundle.app, name="bundle", rich_help_panel=HERE)
app.add_typer(edge.app, name="edge", rich_help_panel=HERE)
app.command("doctor", cls=Command, rich_help_panel=HERE)(local.doctor)
app.command("calibrate", cls=Command, rich_help_panel=HERE)(local.calibrate)
app.command("serve", cls=Command, rich_help_panel=HERE)(local.serve)
app.command("api", cls=Command, rich_help_panel=HERE)(local.api)
app.add_typer(worker.app, name="worker", rich_help_panel=HERE)
app.command("demo", cls=Command, rich_help_panel=HERE)(local.demo)
