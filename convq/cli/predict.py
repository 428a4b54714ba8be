"""``convq predict``, ``convq embed`` and ``convq search``: what a trained net makes of files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from convq.cli import completion
from convq.cli.options import AsJson, Files, Url
from convq.cli.reading import Reading
from convq.cli.train import Detach, Label, Out

if TYPE_CHECKING:
    from convq.client import Client, Job
    from core.errors import ConvqError

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        autocompletion=completion.models,
        show_default=False,
        help="digits, digits@3, digits@production, a model's file or its digest.",
    ),
]
Layer = Annotated[
    str | None,
    typer.Option("--layer", metavar="NAME", show_default=False, help="The outputs of this layer."),
]

_DIGEST = "sha256:"


def predict(
    model: Model,
    files: Files,
    top: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="How many classes of an image. \\[default: 5]"),
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="The outputs of the net as they are.")] = False,
    layer: Layer = None,
    output: Annotated[
        Literal["json", "csv", "npy"] | None,
        typer.Option(metavar="FORMAT", help="json, csv or npy. \\[default: json]"),
    ] = None,
    reading: Reading = None,
    out: Out = None,
    label: Label = None,
    detach: Detach = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Tell what a model says of pictures, sounds, arrays, texts or data sets.

    [bold]convq predict digits@production photos/*.png --top 3[/bold]
    """
    if sum((top is not None, raw, layer is not None)) > 1:
        raise typer.BadParameter("only one of --top, --raw and --layer", param_hint="--top")
    fields: dict[str, Any] = {"top": top, "layer": layer, "format": output}
    if raw or layer is not None:
        fields["output"] = "raw" if raw else "features"
    shown = "predictions.json" if not raw and layer is None else None
    _submit(
        "predict",
        {"model": model},
        files,
        fields | _read(reading),
        shown,
        out=out,
        label=label,
        detach=detach,
        as_json=as_json,
        url=url,
    )


def embed(
    model: Model,
    files: Files,
    layer: Layer = None,
    filter_: Annotated[
        str | None,
        typer.Option(
            "--filter",
            metavar="PRESET",
            show_default=False,
            help="What images go through before the net, such as sobel-magnitude.",
        ),
    ] = None,
    reading: Reading = None,
    out: Out = None,
    label: Label = None,
    detach: Detach = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Make an index of images, by the code of an autoencoder or any layer.

    [bold]convq embed shoes@1 shoes/ --filter sobel-magnitude --out index/[/bold]
    """
    from convq.cli.kernel import parse_kernel

    kernel = None if filter_ is None else parse_kernel(filter_)
    fields = {"layer": layer, "filter": kernel} | _read(reading)
    _submit(
        "embed",
        {"model": model},
        files,
        fields,
        None,
        out=out,
        label=label,
        detach=detach,
        as_json=as_json,
        url=url,
    )


def search(
    index: Annotated[
        str,
        typer.Argument(
            metavar="INDEX", show_default=False, help="The index.npz of convq embed, or its digest."
        ),
    ],
    files: Files,
    neighbours: Annotated[
        int | None,
        typer.Option("--neighbours", "-k", min=1, max=1000, help="How many. \\[default: 10]"),
    ] = None,
    distance: Annotated[
        Literal["cosine", "euclidean"] | None,
        typer.Option(metavar="NAME", help="cosine or euclidean. \\[default: cosine]"),
    ] = None,
    out: Out = None,
    label: Label = None,
    detach: Detach = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Find the images of an index that are nearest to others.

    [bold]convq search index/index.npz shoe.png --out found/[/bold]
    """
    fields = {"neighbours": neighbours, "distance": distance}
    _submit(
        "search",
        {"index": index},
        files,
        fields,
        "neighbours.json",
        out=out,
        label=label,
        detach=detach,
        as_json=as_json,
        url=url,
    )


def _read(reading: list[str] | None) -> dict[str, Any]:
    from convq.cli.reading import data_options

    return (
        {"reading": data_options(reading).model_dump(mode="json", exclude_unset=True)}
        if reading
        else {}
    )


def _submit(
    kind: str,
    referred: dict[str, str],
    files: list[Path],
    fields: dict[str, Any],
    shown: str | None,
    *,
    out: Path | None,
    label: str | None,
    detach: bool,
    as_json: bool,
    url: str | None,
) -> None:
    """Submit a job and show the result called ``shown`` as a table."""
    from convq.cli.boundary import FAILED
    from convq.cli.console import answered, err, print_json, text
    from convq.cli.delivery import deliver
    from convq.cli.files import expand
    from convq.cli.following import follow, upload
    from convq.cli.refusals import Refusals
    from convq.cli.tables import facts
    from convq.client import Client

    if detach and out is not None:
        raise typer.BadParameter("a detached job has no results to write yet", param_hint="--out")
    paths = expand(files)
    refusals = Refusals()
    given = {name: value for name, value in fields.items() if value is not None}
    with Client(url) as client:
        given |= {name: _uploaded(client, value) for name, value in referred.items()}
        inputs = upload(client, paths, refusals)
        job = client.submit(kind, inputs=inputs, label=label, **given)
        if detach:
            if as_json:
                print_json({"job": answered(job), "refused": refusals.to_json()})
            else:
                typer.echo(job.id)
            raise typer.Exit(FAILED if refusals else 0)
        if not as_json:
            err.print(facts([("job", text(job.id))]))
        done = follow(client, job)
        if shown is not None and not as_json:
            _show(client, done, shown)
        deliver(client, done, out, as_json, refusals)


def _uploaded(client: Client, value: str) -> str:
    """Return the digest of a file, or the reference that it is."""
    from convq.cli.following import upload

    if value.startswith(_DIGEST) or not Path(value).is_file():
        return value
    (reference,) = upload(client, [Path(value)], _raise)
    return str(reference["artifact"])


def _raise(name: str, error: ConvqError) -> None:
    raise error


def _show(client: Client, job: Job, name: str) -> None:
    from convq.cli import console
    from convq.cli.prediction_tables import neighbours_table, predictions_table

    if name not in [result.name for result in client.results(job).results]:
        return
    document = json.loads(client.result(job, name, as_="bytes"))
    made = predictions_table if "images" in document else neighbours_table
    console.out.print(made(document))
