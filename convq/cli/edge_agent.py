"""``convq edge agent``: what keeps a box up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def agent(
    server: Annotated[str, typer.Option(metavar="URL", help="Address of the service.")],
    group: Annotated[str, typer.Option(metavar="NAME", help="The group that it belongs to.")],
    source: Annotated[
        str,
        typer.Option(
            "--input",
            metavar="WHAT",
            help="A folder whose files are taken, http or http:PORT, or camera:DEVICE.",
        ),
    ],
    key: Annotated[
        str, typer.Option(metavar="KEY", help="The public key that bundles must be signed by.")
    ],
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN",
            envvar="CONVQ_EDGE_TOKEN",
            show_default=False,
            help="For the first start; convq edge enrol prints one.",
        ),
    ] = None,
    state: Annotated[Path, typer.Option(metavar="FOLDER", help="The agent's own folder.")] = Path(
        "convq-edge"
    ),
    bundle: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", show_default=False, help="What to run before the service was reached."
        ),
    ] = None,
    poll: Annotated[float, typer.Option(help="Seconds between two looks for a version.")] = 30.0,
    report: Annotated[float, typer.Option(help="Seconds between two reports.")] = 60.0,
    trial: Annotated[float, typer.Option(help="Seconds that a new version must last.")] = 60.0,
    watchdog: Annotated[float, typer.Option(help="Seconds that a prediction may take.")] = 30.0,
    spool: Annotated[int, typer.Option(help="Bytes of results that wait.")] = 64 << 20,
    interval: Annotated[float, typer.Option(help="Seconds between two images of a camera.")] = 1.0,
    any_board: Annotated[
        bool, typer.Option("--any-board", help="Run bundles for other boards, too.")
    ] = False,
    numpy: Annotated[bool, typer.Option("--numpy", help="Do not use machine code.")] = False,
) -> None:
    """Predict, deliver the results, and keep the model up to date, as a box does.

    [bold]convq edge agent --server https://convq --group cameras --input inbox --key KEY[/bold]
    """
    from core.edge.agent.main import main

    values = {
        "--server": server,
        "--group": group,
        "--input": source,
        "--key": key,
        "--token": token,
        "--state": state,
        "--bundle": bundle,
        "--poll": poll,
        "--report": report,
        "--trial": trial,
        "--watchdog": watchdog,
        "--spool": spool,
        "--interval": interval,
    }
    given = [f"{name}={value}" for name, value in values.items() if value is not None]
    flags = {"--any-board": any_board, "--numpy": numpy}
    main(arguments=given + [name for name, wanted in flags.items() if wanted])
