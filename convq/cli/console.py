"""Where output goes: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from convq.client.models import Model

out = Console(highlight=False, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)


def print_json(document: Any) -> None:
    """Write a document to stdout as JSON."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def answered(model: Model) -> dict[str, Any]:
    """Return what the service answered as JSON-ready data, and nothing that it left out.

    Examples
    --------
    >>> from convq.client import Job
    >>> answered(Job(id="j", kind="convolve", state="queued"))
    {'id': 'j', 'kind': 'convolve', 'state': 'queued'}
    """
    return model.model_dump(mode="json", exclude_unset=True)


def text(value: object, style: str = "") -> Text:
    r"""Return a value as text for the terminal, which no label or file name can take over.

    Examples
    --------
    >>> text("a[red]\x1b[2J").plain
    'a[red]�[2J'
    """
    shown = "".join(c if c.isprintable() else "�" for c in str(value))
    # The style is that of this piece, not of what is appended to it.
    return Text().append(shown, style)
