"""``convq models``: versions of trained nets, and aliases that point to them."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from convq.cli import completion
from convq.cli.command import Command, Group
from convq.cli.options import AsJson, Url
from core.errors import InvalidInput

app = typer.Typer(cls=Group, no_args_is_help=True)

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", autocompletion=completion.models, help="Of the model, such as digits."
    ),
]
Reference = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        autocompletion=completion.models,
        help="digits (the newest version), digits@3 or digits@production.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FILE",
        show_default=False,
        help="Where it goes; by default a file called after the version.",
    ),
]


@app.callback()
def models() -> None:
    """Keep trained nets: versions, aliases, downloads, ONNX."""


@app.command("list", cls=Command)
def list_models(
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List models, by name."""
    from convq.cli.console import answered, err, out, print_json
    from convq.cli.model_tables import models_table
    from convq.client import Client

    with Client(url) as client:
        some = list(islice(client.models(), limit + 1))
    found = some[:limit]
    if as_json:
        print_json({"models": [answered(model) for model in found]})
    elif found:
        out.print(models_table(found))
    else:
        err.print("no models; register one with: convq models register NAME JOB")
    if len(some) > limit:
        err.print(f"there are more; --limit {2 * limit} shows twice as many")


@app.command(cls=Command)
def show(reference: Reference, as_json: AsJson = False, url: Url = None) -> None:
    """Show a model and its versions, or one version: metrics, lineage, layers."""
    from convq.cli.console import answered, out, print_json
    from convq.cli.model_tables import model_view, version_view
    from convq.client import Client

    with Client(url) as client:
        if "@" in reference:
            version = client.model_version(reference)
            view, document = version_view(version), answered(version)
        else:
            model = client.model(reference)
            view, document = model_view(model), answered(model)
    if as_json:
        print_json(document)
    else:
        out.print(view)


@app.command(cls=Command)
def register(
    name: Name,
    origin: Annotated[
        str,
        typer.Argument(
            metavar="ORIGIN",
            autocompletion=completion.job_ids,
            help="The job that made it (its id, or its first letters), a model's file, or the "
            "digest of one.",
        ),
    ],
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Make what a training made the next version of a model.

    [bold]convq models register digits 06h0[/bold]
    """
    from convq.cli.connection import resolve
    from convq.cli.console import answered, err, out, print_json, text
    from convq.client import Client

    file = Path(origin)
    with Client(url) as client:
        if file.is_file():
            version = client.register_model(name, file)
        elif not origin.isalnum() and not origin.startswith("sha256:"):
            raise InvalidInput(
                "there is no such file",
                field="ORIGIN",
                given=origin,
                accepted="the id of a job, a model's file, or the digest of one",
            )
        else:
            known = origin if origin.startswith("sha256:") else resolve(client, origin)
            version = client.register_model(name, known)
    if as_json:
        print_json(answered(version))
        return
    out.print(text(f"{version.reference} is registered"))
    for warning in version.warnings:
        err.print(text(f"note: {warning}", "yellow"))


@app.command(cls=Command)
def alias(
    reference: Reference,
    alias: Annotated[str, typer.Argument(metavar="ALIAS", help="Such as production.")],
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Let an alias mean a version from now on.

    [bold]convq models alias digits@3 production[/bold]
    """
    from convq.cli.console import answered, out, print_json, text
    from convq.client import Client

    with Client(url) as client:
        version = client.model_version(reference)
        model = client.set_alias(version.model, alias, version.version)
    if as_json:
        print_json(answered(model))
    else:
        out.print(text(f"{model.name}@{alias} is {version.reference} now"))


@app.command(cls=Command)
def unalias(
    name: Name,
    alias: Annotated[str, typer.Argument(metavar="ALIAS", help="Such as production.")],
    url: Url = None,
) -> None:
    """Remove an alias; the version stays."""
    from convq.client import Client

    with Client(url) as client:
        client.delete_alias(name, alias)
    typer.echo(f"{name}@{alias} is no more")


@app.command(cls=Command)
def download(reference: Reference, out: Out = None, url: Url = None) -> None:
    """Write the file of a version (safetensors), verified."""
    _fetch(reference, out, url, ".safetensors")


@app.command(cls=Command)
def export(reference: Reference, out: Out = None, url: Url = None) -> None:
    """Write a version as an ONNX file, for other programs.

    [bold]convq models export digits@production --out digits.onnx[/bold]
    """
    _fetch(reference, out, url, ".onnx")


@app.command(cls=Command)
def delete(reference: Reference, url: Url = None) -> None:
    """Delete a version that no alias points to."""
    from convq.client import Client

    with Client(url) as client:
        version = client.model_version(reference)
        client.delete_version(version.reference)
    typer.echo(f"{version.reference} is deleted")


def _fetch(reference: str, out: Path | None, url: str | None, extension: str) -> None:
    from convq.client import Client
    from convq.units import size

    with Client(url) as client:
        version = client.model_version(reference)
        path = out or Path(f"{version.model}-{version.version}{extension}")
        fetch = client.export_model if extension == ".onnx" else client.download_model
        fetch(version.reference, path)
    typer.echo(f"{version.reference} is written to {path}, {size(path.stat().st_size)}")
