"""``convq predict``, ``convq embed`` and ``convq search``: what a trained net makes of files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from convq.cli import completion
from convq.cli.options import Files, Precision
from convq.cli.reading import Reading
from convq.cli.submitting import Show, Work, submits

if TYPE_CHECKING:
    from rich.console import RenderableType

    from convq.client import Client, Job

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

Rounding = Annotated[
    Precision | None,
    typer.Option(
        "--precision",
        metavar="NAME",
        help="What a GPU may round float32 numbers to before layers multiply them: float32, tf32 "
        "or bfloat16. \\[default: float32]",
    ),
]


@submits("predict")
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
    precision: Rounding = None,
    on: Annotated[
        str | None,
        typer.Option(
            metavar="GROUP",
            autocompletion=completion.groups,
            show_default=False,
            help="Boxes at the edge that run this model compute it.",
        ),
    ] = None,
) -> Work:
    """Tell what a model says of pictures, sounds, arrays, texts or data sets.

    [bold]convq predict digits@production photos/*.png --top 3[/bold]
    """
    if sum((top is not None, raw, layer is not None)) > 1:
        raise typer.BadParameter("only one of --top, --raw and --layer", param_hint="--top")
    fields: dict[str, Any] = {
        "top": top, "layer": layer, "format": output, "precision": precision, "on": on,
    }  # fmt: skip
    if raw or layer is not None:
        fields["output"] = "raw" if raw else "features"
    return Work(
        files,
        fields | _read(reading),
        referred={"model": model},
        show=_table_of("predictions.json") if not raw and layer is None else None,
    )


@submits("embed")
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
    precision: Rounding = None,
) -> Work:
    """Make an index of images, by the code of an autoencoder or any layer.

    [bold]convq embed shoes@1 shoes/ --filter sobel-magnitude --out index/[/bold]
    """
    from convq.cli.kernel import parse_kernel

    kernel = None if filter_ is None else parse_kernel(filter_)
    fields = {"layer": layer, "filter": kernel, "precision": precision} | _read(reading)
    return Work(files, fields, referred={"model": model})


@submits("search")
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
) -> Work:
    """Find the images of an index that are nearest to others.

    [bold]convq search index/index.npz shoe.png --out found/[/bold]
    """
    fields = {"neighbours": neighbours, "distance": distance}
    return Work(files, fields, referred={"index": index}, show=_table_of("neighbours.json"))


def _read(reading: list[str] | None) -> dict[str, Any]:
    from convq.cli.reading import data_options

    return (
        {"reading": data_options(reading).model_dump(mode="json", exclude_unset=True)}
        if reading
        else {}
    )


def _table_of(name: str) -> Show:
    """Return what shows the result of this name as a table."""

    def show(client: Client, job: Job) -> RenderableType | None:
        from convq.cli.prediction_tables import neighbours_table, predictions_table

        if name not in [result.name for result in client.results(job).results]:
            return None
        document = json.loads(client.result(job, name, as_="bytes"))
        return predictions_table(document) if "images" in document else neighbours_table(document)

    return show
