"""How to read a data set, as the command line says it: --with resize=28,28."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from core.errors import InvalidInput

if TYPE_CHECKING:
    from core.nets.data import DataOptions

Reading: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="NAME=VALUE",
        show_default=False,
        help="How to read the data; repeat it. resize=28,28, colour=grey, channels=first, "
        "samples=16000, words=50, vocabulary=5000, reconstruct=true.",
    ),
]


def data_options(pairs: Sequence[str] | None) -> DataOptions:
    """Return what the pairs say.

    Parameters
    ----------
    pairs : sequence of str, optional
        ``NAME=VALUE``: a number, true or false, a word, or several with commas between them.

    Raises
    ------
    InvalidInput
        If there is no such option, or it takes no such value.

    Examples
    --------
    >>> data_options(["resize=28,28", "colour=grey"]).given()
    ('colour', 'resize')
    """
    from pydantic import ValidationError

    from convq.cli.validation import field_error
    from core.nets.data import DataOptions

    given = dict(_pair(text, tuple(DataOptions.model_fields)) for text in pairs or ())
    try:
        return DataOptions.model_validate(given)
    except ValidationError as error:
        raise field_error(error, given, "with") from None


def _pair(text: str, known: tuple[str, ...]) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or name not in known:
        raise InvalidInput(
            "no such option of data sets",
            field="with",
            given=text,
            accepted=[f"{name}=..." for name in known],
        )
    parts = [_value(part) for part in value.split(",")]
    return name, parts if len(parts) > 1 else parts[0]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
