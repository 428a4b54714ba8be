"""The commands for whoever looks after boxes: groups, boxes, tokens, roll-outs, results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convq.cli.options import AsJson, Url

Name = Annotated[str, typer.Argument(metavar="GROUP", help="Of boxes, such as cameras.")]


def groups(as_json: AsJson = False, url: Url = None) -> None:
    """List groups of boxes: what they run, and how the last roll-out went."""
    from convq.cli.console import answered, err, out, print_json
    from convq.cli.edge_tables import groups_table
    from convq.client import Client

    with Client(url) as client:
        found = client.edge_groups()
    if as_json:
        print_json({"groups": [answered(group) for group in found]})
    elif found:
        out.print(groups_table(found))
    else:
        err.print("no groups; make one with: convq edge enrol GROUP")


def boxes(group: Name, as_json: AsJson = False, url: Url = None) -> None:
    """List the boxes of a group: what they run, and how they are."""
    from convq.cli.console import answered, err, out, print_json
    from convq.cli.edge_tables import boxes_table
    from convq.client import Client

    with Client(url) as client:
        found = client.edge_boxes(group)
    if as_json:
        print_json({"boxes": [answered(box) for box in found]})
    elif found:
        out.print(boxes_table(found))
    else:
        err.print("no boxes have enrolled yet")


def enrol(
    group: Name,
    expires: Annotated[
        str, typer.Option(metavar="TIME", help="When it ends: 30m, 12h, 7d.")
    ] = "1d",
    url: Url = None,
) -> None:
    """Make a token with which one box can enrol, and show it, this once.

    [bold]convq edge enrol cameras[/bold]
    """
    from convq.cli.console import err
    from convq.cli.keys import parse_time
    from convq.client import Client

    with Client(url) as client:
        token = client.edge_token(group, lasts=parse_time(expires))
    # Alone on stdout, so that it can be put into a file or a variable.
    typer.echo(token)
    err.print(f"one box can enrol in {group} with it: convq edge agent --token")


def rollout(
    group: Name,
    bundle: Annotated[
        Path | None, typer.Argument(metavar="BUNDLE", show_default=False, help="To roll out.")
    ] = None,
    stages: Annotated[
        str | None,
        typer.Option(
            metavar="LIST", show_default=False, help="Percentages of the boxes, such as 5,50,100."
        ),
    ] = None,
    stop: Annotated[bool, typer.Option("--stop", help="Give it to no further box.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Begin the next stage, whatever boxes say.")
    ] = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Give a bundle to more and more boxes of a group, or show how that goes.

    [bold]convq edge rollout cameras digits-jetson-nano.convq[/bold]
    """
    from convq.cli.console import answered, out, print_json
    from convq.cli.edge_tables import group_view
    from convq.client import Client
    from core.errors import InvalidInput

    if (bundle is not None) + stop + resume > 1:
        raise InvalidInput(
            "one thing at a time", field="rollout", accepted="BUNDLE, --stop or --resume"
        )
    with Client(url) as client:
        if bundle is not None:
            found = client.roll_out(
                group, bundle, stages=None if stages is None else _parsed(stages)
            )
        elif stop:
            found = client.stop_rollout(group)
        elif resume:
            found = client.resume_rollout(group)
        else:
            found = client.edge_group(group)
    if as_json:
        print_json(answered(found))
    else:
        out.print(group_view(found))


def results(
    group: Name,
    after: Annotated[
        str | None,
        typer.Option(metavar="ID", show_default=False, help="Only what came after this delivery."),
    ] = None,
    url: Url = None,
) -> None:
    """Write what the boxes of a group have found, as lines of JSON, the oldest first."""
    import tempfile

    from convq.cli.console import err
    from convq.client import Client

    last = after
    with Client(url) as client, tempfile.TemporaryDirectory() as folder:
        for delivery in client.edge_results(group, after=after):
            path = client.download_artifact(delivery.artifact, Path(folder) / "results.jsonl")
            typer.echo(path.read_text("utf-8"), nl=False)
            last = delivery.id
    if last is not None:
        err.print(f"to go on from here: --after {last}")


def remove(
    box: Annotated[str, typer.Argument(metavar="ID", help="As convq edge boxes shows it.")],
    url: Url = None,
) -> None:
    """Remove a box: its API key is refused, and no roll-out waits for it."""
    from convq.client import Client

    with Client(url) as client:
        client.remove_box(box)
    typer.echo(f"the box {box} is removed")


def _parsed(stages: str) -> list[int]:
    from core.errors import InvalidInput

    try:
        return [int(stage) for stage in stages.split(",")]
    except ValueError:
        raise InvalidInput(
            "these are no stages", field="stages", given=stages, accepted="5,50,100"
        ) from None
