"""``convq spectrum``: the frequencies of pictures, and the direction of their lines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from convq.cli.submitting import Work, columns, submits


@submits("spectrum")
def spectrum(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            show_default=False,
            help="Pictures, and .npy or .npz of two axes; a folder stands for the files in it.",
        ),
    ],
    window: Annotated[
        Literal["periodic", "hann", "none"] | None,
        typer.Option(
            metavar="NAME",
            help="What is done about jumps between opposite edges: periodic, hann or none. "
            "\\[default: periodic]",
        ),
    ] = None,
    rings: Annotated[
        int | None, typer.Option(min=1, help="Rings of frequencies. \\[default: 64]")
    ] = None,
    directions: Annotated[
        int | None, typer.Option(min=1, help="Sectors of half a turn. \\[default: 180]")
    ] = None,
    deskew: Annotated[
        bool, typer.Option("--deskew", help="Also turn the pictures so that lines are level.")
    ] = False,
    coefficients: Annotated[
        bool, typer.Option("--coefficients", help="Also deliver the coefficients as .npy.")
    ] = False,
) -> Work:
    """Draw the Fourier transform of pictures, and tell where their lines point.

    [bold]convq spectrum scan.png --deskew --out level/[/bold]
    """
    fields = {
        "window": window,
        "rings": rings,
        "directions": directions,
        "deskew": deskew or None,
        "coefficients": coefficients or None,
    }
    show = columns(
        "-spectrum.json", degrees="orientation.degrees", confidence="orientation.confidence"
    )
    return Work(files, fields, show=show)
