"""What nets say of images, as tables that fit 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

from convq.cli.console import text
from convq.cli.tables import table

_MOST = 50
"""Images of a table; there may be millions, and the file has all."""


def predictions_table(document: Mapping[str, Any]) -> Table:
    """Return a line for each class of each image, of the first 50.

    Examples
    --------
    >>> top = [{"class": "cat", "number": 2, "probability": 0.9}]
    >>> made = predictions_table({"images": [{"input": "a.png", "image": 0, "top": top}]})
    >>> [list(column.cells)[0].plain for column in made.columns]
    ['a.png', 'cat', '90.0%']
    """
    made = table("IMAGE", "CLASS", "PROBABILITY", right=("PROBABILITY",), wide="CLASS")
    for image in document["images"][:_MOST]:
        for name, entry in _named(image, image["top"]):
            share = entry["probability"]
            made.add_row(
                text(name), text(entry["class"]), text("-" if share is None else f"{share:.1%}")
            )
    return _with_rest(made, len(document["images"]))


def neighbours_table(document: Mapping[str, Any]) -> Table:
    """Return a line for each neighbour of each query, of the first 50.

    Examples
    --------
    >>> near = [{"input": "b.png", "image": 3, "distance": 0.25}]
    >>> query = {"input": "a.png", "image": 0, "neighbours": near}
    >>> made = neighbours_table({"queries": [query]})
    >>> [list(column.cells)[0].plain for column in made.columns]
    ['a.png', 'b.png:3', '0.25']
    """
    made = table("QUERY", "NEIGHBOUR", "DISTANCE", right=("DISTANCE",), wide="NEIGHBOUR")
    for query in document["queries"][:_MOST]:
        for name, entry in _named(query, query["neighbours"]):
            made.add_row(text(name), text(_place(entry)), text(f"{entry['distance']:.4g}"))
    return _with_rest(made, len(document["queries"]))


def _named(
    image: Mapping[str, Any], entries: list[dict[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the entries, the first of them with the name of the image."""
    for number, entry in enumerate(entries):
        yield "" if number else _place(image), entry


def _place(row: Mapping[str, Any]) -> str:
    return f"{row['input']}:{row['image']}" if row["image"] else str(row["input"])


def _with_rest(made: Table, count: int) -> Table:
    if count > _MOST:
        made.add_row(text(f"and {count - _MOST} more", "dim"))
    return made
