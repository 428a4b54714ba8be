"""Bundles and boards as text for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table

from convq.cli.console import text
from convq.cli.tables import table
from convq.units import counted, dimensions, duration, size

if TYPE_CHECKING:
    from core.edge.accuracy import Change
    from core.edge.profiles import Profile


def bundle_view(document: dict[str, Any]) -> RenderableType:
    """Return what a bundle holds: what it is for, what it will take, and its steps."""
    model, taken = document["model"], document["estimate"]
    facts = Table.grid(padding=(0, 2))
    for name, value in (
        ("model", f"{model['name']} {model['sequence']}"),
        ("board", document["profile"]["title"]),
        ("weights", f"{document['precision']}, computed in float32"),
        ("file", f"{document['file']}, {size(document['bytes'])}"),
        ("image", f"{dimensions(document['input'])} to {dimensions(document['output'])}"),
        ("code for", ", ".join(document["processors"])),
        ("predicted", f"{duration(taken['seconds'])} and {taken['joules'] * 1e3:.2g} mJ an image"),
        ("memory", f"{size(taken['memory'])} at the peak"),
        ("signed by", document["key"]),
    ):
        facts.add_row(text(name), text(value))
    steps = table("LAYER", "STEP", "OUTPUT", "BY")
    for step in document["steps"]:
        shape = dimensions(step["shape"])
        steps.add_row(text(step["layer"]), text(step["op"]), text(shape), text(step["by"]))
    return Group(facts, text(""), steps)


def change_line(change: Change) -> str:
    """Return what a precision costs, in one line.

    Examples
    --------
    >>> from core.edge.accuracy import Change
    >>> change_line(Change(100, 0.97, 0.96, 0.01))
    'on 100 images: accuracy 97.00 % as trained, 96.00 % as stored; outputs differ by up to 1 %'
    """
    accuracy = ""
    if change.exact is not None and change.stored is not None:
        trained, stored = 100 * change.exact, 100 * change.stored
        accuracy = f"accuracy {trained:.2f} % as trained, {stored:.2f} % as stored; "
    differ = f"outputs differ by up to {100 * change.difference:.2g} %"
    return f"on {counted(change.images, 'image')}: {accuracy}{differ}"


def profiles_table(profiles: Sequence[Profile]) -> Table:
    """Return a line for each board; a question mark is behind what no source was read for."""
    made = table("PROFILE", "BOARD", "PROCESSOR", "MEMORY", "WATTS", wide="BOARD")
    for board in profiles:
        doubt = dict.fromkeys(board.unverified, " ?")
        watts = " / ".join(f"{power:g}" for power in board.power)
        made.add_row(
            text(board.name, "bold"),
            text(board.title),
            text(f"{board.cores} x {board.cpu}{doubt.get('cores', '')}"),
            text(f"{size(board.memory)}{doubt.get('memory', '')}"),
            text(f"{watts}{doubt.get('power', '')}"),
        )
    return made
