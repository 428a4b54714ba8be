"""``convq bundle``: a model as one signed file for a box."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from convq.cli.command import Command, Group
from convq.cli.options import AsJson, Url

if TYPE_CHECKING:
    from core.edge.accuracy import Change

Precision: TypeAlias = Literal["fp32", "fp16", "int8"]


class Bundles(Group):
    """Makes a bundle where no other command is named: ``convq bundle MODEL``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the name of the command before a model."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["make", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=Bundles, no_args_is_help=True)


@app.callback()
def bundle() -> None:
    """Make models into signed files for boxes at the edge: convq bundle MODEL --profile NAME."""


@app.command(cls=Command)
def make(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A model's file, or digits@3 at the service."),
    ],
    profile: Annotated[
        str,
        typer.Option(
            metavar="NAME", show_default=False, help="Of the board; convq bundle profiles."
        ),
    ],
    key: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            envvar="CONVQ_SIGNING_KEY",
            show_default=False,
            help="The key that signs it; convq edge key makes one.",
        ),
    ],
    precision: Annotated[
        Precision, typer.Option(help="How weights are stored; boxes compute with float32.")
    ] = "fp32",
    standalone: Annotated[
        bool, typer.Option("--standalone", help="With the program: Python and NumPy will run it.")
    ] = False,
    samples: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            show_default=False,
            help="A data set: its first images are the self-test, up to 1000 tell what the "
            "precision costs.",
        ),
    ] = None,
    sequence: Annotated[
        int | None,
        typer.Option(min=1, show_default=False, help="By default the number of the version."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", show_default=False, help="By default MODEL-NAME.convq."
        ),
    ] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Make a bundle.

    [bold]convq bundle digits@3 --profile jetson-nano --precision int8[/bold]
    """
    from convq.cli.console import out as stdout
    from convq.cli.console import print_json, text
    from convq.cli.edge_models import find
    from core.edge.accuracy import change
    from core.edge.bundle import build
    from core.edge.profiles import profile as profile_of
    from core.edge.signing import SigningKey
    from core.edge.standalone import standalone as wrapped
    from core.nets.data import load

    board, signing = profile_of(profile), SigningKey.read(key)
    found = find(model, url)
    data = None if samples is None else load(samples)
    made = build(
        found.model,
        board,
        signing,
        name=found.name,
        precision=precision,
        sequence=sequence or found.version,
        samples=None if data is None else data.batch(range(min(4, len(data))))[0],
        digest=found.digest,
    )
    cost = None if data is None else change(found.model, made, data)
    content = wrapped(made, signing.public) if standalone else made
    path = out or Path(f"{found.name}-{board.name}.{'pyz' if standalone else 'convq'}")
    path.write_bytes(content)
    if as_json:
        print_json(_document(path, cost))
        return
    from convq.cli.bundle_tables import bundle_view, change_line

    stdout.print(bundle_view(_document(path, cost)))
    if cost is not None:
        stdout.print(text(change_line(cost)))


@app.command(cls=Command)
def show(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A bundle, standalone or not.")],
    as_json: AsJson = False,
) -> None:
    """Show what a bundle holds, after its digests and its signature have been checked."""
    from convq.cli.bundle_tables import bundle_view
    from convq.cli.console import out, print_json

    document = _document(path, None)
    if as_json:
        print_json(document)
    else:
        out.print(bundle_view(document))


@app.command(cls=Command)
def profiles(as_json: AsJson = False) -> None:
    """List the boards that bundles can be made for."""
    from convq.cli.bundle_tables import profiles_table
    from convq.cli.console import out, print_json
    from core.edge.profiles import profiles as all_profiles

    found = list(all_profiles().values())
    if as_json:
        print_json({"profiles": [board.model_dump(mode="json") for board in found]})
    else:
        out.print(profiles_table(found))


def _document(path: Path, cost: Change | None) -> dict[str, Any]:
    """Return what a bundle says of itself, verified, its plan and its net shortened."""
    from dataclasses import asdict

    from core.edge.inspection import inspect

    document = inspect(path)
    return document | {
        "file": str(path),
        "bytes": path.stat().st_size,
        "change": None if cost is None else asdict(cost),
    }
