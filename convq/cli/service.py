"""The commands that look at the service as a whole, and hold its queue."""

from __future__ import annotations

import typer

from convq.cli.command import Command, Group
from convq.cli.options import AsJson, Url

app = typer.Typer(cls=Group)


@app.callback(invoke_without_command=True)
def queue(context: typer.Context, as_json: AsJson = False, url: Url = None) -> None:
    """Show how much work there is; hold it."""
    from convq.client import Client

    if context.invoked_subcommand is not None:
        return
    with Client(url) as client:
        found = client.queue()
        if not as_json:
            from convq.cli.console import out
            from convq.cli.statistics_tables import lines_table

            out.print(lines_table(client.stats()), "")
        _show(found, as_json)


@app.command("pause", cls=Command)
def pause(as_json: AsJson = False, url: Url = None) -> None:
    """Let no job begin; what runs goes on, and jobs are still accepted."""
    from convq.client import Client

    with Client(url) as client:
        _show(client.pause(), as_json)


@app.command("resume", cls=Command)
def resume(as_json: AsJson = False, url: Url = None) -> None:
    """Let jobs begin again."""
    from convq.client import Client

    with Client(url) as client:
        _show(client.resume(), as_json)


def _show(found: object, as_json: bool) -> None:
    from convq.cli.console import answered, out, print_json
    from convq.cli.tables import queue_view
    from convq.client import Queue

    assert isinstance(found, Queue)
    if as_json:
        print_json(answered(found))
    else:
        out.print(queue_view(found))
