"""``convq edge``: what a box does, the keys that it trusts, and groups of boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convq.cli import edge_agent, edge_groups
from convq.cli.command import Command, Group

app = typer.Typer(cls=Group, no_args_is_help=True)


@app.callback()
def edge() -> None:
    """Run bundles as a box does, make the keys that sign them, and look after boxes."""


@app.command(cls=Command)
def run(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle, standalone or not.")],
    source: Annotated[
        str,
        typer.Option(
            "--input",
            metavar="WHAT",
            show_default=False,
            help="An image, a folder to watch, http or http:PORT to serve here, or camera:DEVICE.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", show_default=False, help="Results of a folder; results.jsonl in it."
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY", show_default=False, help="The public key it must be signed by."
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Work through the folder and end.")] = False,
    any_board: Annotated[
        bool, typer.Option("--any-board", help="Run although it is for another board.")
    ] = False,
    numpy: Annotated[bool, typer.Option("--numpy", help="Do not use its machine code.")] = False,
) -> None:
    """Predict with a bundle, as a box does: results are lines of JSON.

    [bold]convq edge run digits-x86.convq --input pictures/[/bold]
    """
    from core.edge.runtime.errors import EdgeError
    from core.edge.runtime.main import run as run_bundle
    from core.errors import Conflict, IntegrityError, InvalidInput

    try:
        run_bundle(
            str(bundle),
            source,
            output=None if output is None else str(output),
            key=key,
            once=once,
            any_board=any_board,
            machine_code=not numpy,
        )
    except EdgeError as error:
        kind = {"integrity_error": IntegrityError, "conflict": Conflict}.get(error.code)
        raise (kind or InvalidInput)(
            error.message, field=error.field, given=error.given, accepted=error.accepted
        ) from None


@app.command(cls=Command)
def key(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Where it goes; must be new.")],
) -> None:
    """Make a key that signs bundles, and say the public key that goes with it.

    Boxes are told the public key; whoever has the file can make bundles that they run.
    """
    from core.edge.signing import SigningKey

    made = SigningKey.new()
    made.write(path)
    typer.echo(made.public.hex())


app.command("agent", cls=Command)(edge_agent.agent)
app.command("groups", cls=Command)(edge_groups.groups)
app.command("boxes", cls=Command)(edge_groups.boxes)
app.command("enrol", cls=Command)(edge_groups.enrol)
app.command("rollout", cls=Command)(edge_groups.rollout)
app.command("results", cls=Command)(edge_groups.results)
app.command("remove", cls=Command)(edge_groups.remove)
