"""The commands that run something on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convq.cli.options import AsJson, Url

Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")]
Host = Annotated[str, typer.Option(help="Address to listen on.")]


def serve(
    port: Port = 8000,
    host: Host = "127.0.0.1",
    data: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where jobs and results are kept.")
    ] = Path("convq-data"),
    workers: Annotated[int, typer.Option(min=1, help="How many workers.")] = 1,
) -> None:
    """Run the whole service here: Redis, the API and workers."""
    from convq import stack

    raise typer.Exit(stack.serve(port=port, host=host, data=data, workers=workers))


def api(port: Port = 8000, host: Host = "127.0.0.1") -> None:
    """Run only the HTTP API; CONVQ_REDIS_URL and CONVQ_STORE_URL say with what."""
    from api.server import serve as serve_api
    from convq.preflight import check_surroundings
    from core.settings import Settings

    settings = Settings()
    check_surroundings(settings)
    serve_api(settings, host, port)


def demo(
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where the pictures go.")
    ] = Path("demo-out"),
) -> None:
    """Start a service, send it photographs and sounds, and make a page of the results."""
    from convq.demo import run

    raise typer.Exit(run(out))


def calibrate(
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE.png", help="Draw the crossover to this file."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer and smaller measurements.")] = False,
    gpu: Annotated[bool, typer.Option("--gpu", help="Measure the GPU, not the processor.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure how fast each algorithm is here; planning uses it from then on."""
    from convq.cli import console
    from convq.cli.crossover import plot, remarks
    from core.arrays import gpu_module
    from core.conv.calibrate import KERNELS
    from core.conv.calibrate import calibrate as measure

    like = gpu_module().empty(0) if gpu else None
    with console.err.status("measuring, best with nothing else running"):
        found = measure(like, kernels=KERNELS[::3], shape=(512, 512)) if quick else measure(like)
    if as_json:
        console.print_json(found.to_dict())
    else:
        typer.echo(found)
        typer.echo(remarks(found))
        typer.echo(f"stored in {found.path}")
    if out is not None:
        plot(found, out)
        typer.echo(f"drawn to {out}", err=True)


def doctor(
    test_gpus: Annotated[
        bool,
        typer.Option(
            "--test-gpus", help="Compute something on each GPU, as workers do before they begin."
        ),
    ] = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Say what is here, what is missing, and what to do about it."""
    from convq.cli.console import out, print_json, text
    from convq.cli.doctor import examine
    from convq.cli.tables import table

    checks = examine(url, test_gpus=test_gpus)
    if as_json:
        print_json({"checks": [check.to_dict() for check in checks]})
    else:
        styles = {"ok": "green", "warn": "yellow", "missing": "red"}
        made = table("", "WHAT", "FOUND", wide="FOUND")
        for check in checks:
            found = text(check.found)
            if check.advice:
                found.append("\n").append_text(text(check.advice, "dim"))
            made.add_row(text(check.status, styles[check.status]), text(check.name), found)
        out.print(made)
    if any(check.status == "missing" and check.needed for check in checks):
        raise typer.Exit(1)
