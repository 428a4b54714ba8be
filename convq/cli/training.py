"""What the options of ``convq train`` and ``convq sweep`` say of a training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from convq.cli.kernel import parameters
from convq.cli.reading import data_options
from core.errors import InvalidInput

_NET, _HOW = "The net", "How it learns"

Model: TypeAlias = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        show_default=False,
        rich_help_panel=_NET,
        help="An architecture with choices (lenet5, lenet5:activation=tanh), or a file with the "
        "layers of your own (net.json).",
    ),
]
Data: TypeAlias = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="FILE",
        show_default=False,
        help="The data set: a file, or the digest of one that was uploaded.",
    ),
]
Epochs: TypeAlias = Annotated[
    int,
    typer.Option("--epochs", "-e", min=1, rich_help_panel=_HOW, help="Passes over the data."),
]
Batch: TypeAlias = Annotated[
    int | None,
    typer.Option(min=1, rich_help_panel=_HOW, help="Images per step. \\[default: 128]"),
]
Seed: TypeAlias = Annotated[
    int | None,
    typer.Option(min=0, rich_help_panel=_HOW, help="Of all that is random. \\[default: 0]"),
]
Optimiser: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        rich_help_panel=_HOW,
        help="Such as sgd:momentum=0.9,nesterov=true. \\[default: adam]",
    ),
]
Schedule: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        rich_help_panel=_HOW,
        help="Of the learning rate, such as cosine:rate=0.01. \\[default: one_cycle:rate=0.003]",
    ),
]
Loss: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="NAME", rich_help_panel=_HOW, help="By default it goes with the data."),
]
Augment: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        rich_help_panel=_HOW,
        help="A change to the images, such as flip; repeat it.",
    ),
]
Validation: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="SHARE|FILE",
        rich_help_panel=_HOW,
        help="The share of images kept aside, or a data set of its own. \\[default: 0.1]",
    ),
]
Patience: TypeAlias = Annotated[
    int | None,
    typer.Option(min=1, rich_help_panel=_HOW, help="Stop after so many epochs without progress."),
]
Set: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=JSON",
        rich_help_panel=_HOW,
        help="Any further option, such as ema=0.999 or precision=mixed; repeat it.",
    ),
]


def training_fields(
    model: str,
    *,
    epochs: int,
    batch: int | None,
    seed: int | None,
    optimiser: str | None,
    schedule: str | None,
    loss: str | None,
    augment: Sequence[str] | None,
    validation: str | None,
    patience: int | None,
    further: Sequence[str] | None,
    reading: Sequence[str] | None,
) -> dict[str, Any]:
    """Return the fields of a training but its data; the service knows the defaults of the others.

    ``validation`` is a path if it is no share and no digest.
    """
    options: dict[str, Any] = {
        "epochs": epochs,
        "batch": batch,
        "seed": seed,
        "optimiser": None if optimiser is None else named("optimiser", optimiser),
        "schedule": None if schedule is None else named("schedule", schedule),
        "loss": None if loss is None else named("loss", loss),
        "augment": [named("augment", one) for one in augment] if augment else None,
        "early_stopping": None if patience is None else {"patience": patience},
    }
    fields: dict[str, Any] = {"model": model_of(model)}
    if validation is not None:
        try:
            options["validation"] = float(validation)
        except ValueError:
            fields["validation"] = validation
    options |= dict(_pair(text) for text in further or ())
    if reading:
        chosen = data_options(reading)
        fields["reading"] = chosen.model_dump(mode="json", exclude_unset=True)
    return fields | {"options": {k: value for k, value in options.items() if value is not None}}


def named(field: str, text: str) -> dict[str, Any]:
    """Return ``name:parameter=value,...`` as a job states it.

    Examples
    --------
    >>> named("optimiser", "sgd:momentum=0.9,nesterov=true")
    {'optimiser': 'sgd', 'momentum': 0.9, 'nesterov': True}
    """
    name, colon, rest = text.partition(":")
    return {field: name} | (parameters(rest, field) if colon else {})


def model_of(text: str) -> dict[str, Any]:
    """Return the model that is meant: an architecture, or the layers in a file.

    Raises
    ------
    InvalidInput
        If the file holds no object.
    """
    if not text.endswith(".json"):
        return named("architecture", text)
    try:
        document = json.loads(Path(text).read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidInput(f"no JSON: {error}", field="model", given=text) from error
    if not isinstance(document, dict):
        raise InvalidInput(
            "no net", field="model", given=text, accepted='{"input": [...], "layers": [...]}'
        )
    return document


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InvalidInput("no option", field="set", given=text, accepted="NAME=JSON")
    return name, _value(value)


def varied(texts: Sequence[str]) -> dict[str, Any]:
    """Return what ``FIELD=VALUES`` says, for each field the values or the range.

    Raises
    ------
    InvalidInput
        If there is no field or no value.

    Examples
    --------
    >>> varied(["options.batch=32,64", "options.seed=0,1"])
    {'options.batch': [32, 64], 'options.seed': [0, 1]}
    >>> varied(["options.batch=16..64"])
    {'options.batch': {'low': 16, 'high': 64, 'whole': True}}
    >>> varied(['options.optimiser=[{"optimiser": "sgd"}, {"optimiser": "adam"}]'])
    {'options.optimiser': [{'optimiser': 'sgd'}, {'optimiser': 'adam'}]}
    """
    return dict(_varied(text) for text in texts)


def _varied(text: str) -> tuple[str, Any]:
    field, _, value = text.partition("=")
    if not field or not value:
        raise InvalidInput(
            "nothing to vary",
            field="vary",
            given=text,
            accepted="FIELD=VALUE,... or FIELD=LOW..HIGH",
        )
    low, dots, rest = value.partition("..")
    if dots:
        high, _, scale = rest.partition(":")
        bounds = _value(low), _value(high)
        whole = all(isinstance(bound, int) for bound in bounds)
        found = {"low": bounds[0], "high": bounds[1]}
        return field, found | ({"scale": scale} if scale else {}) | (
            {"whole": True} if whole else {}
        )
    whole_list = _value(value)
    if isinstance(whole_list, list):
        return field, whole_list
    return field, [_value(part) for part in value.split(",")]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
