"""``convq irregular-convolve``: functions that are known at uneven points."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from convq.cli.submitting import Work, columns, submits


@submits("irregular-convolve")
def irregular_convolve(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            show_default=False,
            help="Tables .npy (N, 1 + C): abscissae, then a column for each function; a "
            "folder stands for the files in it.",
        ),
    ],
    kernel: Annotated[
        str,
        typer.Option(
            "--kernel",
            "-k",
            metavar="TABLE",
            show_default=False,
            help="The other function: rows of an abscissa and a value ('[[0,0],[0.5,1],[2,0]]'), a "
            "file (.npy) or a digest.",
        ),
    ],
    at: Annotated[
        Literal["sums", "even"] | None,
        typer.Option(
            metavar="WHERE",
            help="Where the result is wanted: sums of two abscissae, or even. \\[default: sums]",
        ),
    ] = None,
    place: Annotated[
        list[float] | None,
        typer.Option(show_default=False, help="A place where it is wanted; repeat it."),
    ] = None,
    points: Annotated[
        int | None, typer.Option(min=2, help="even: how many places. \\[default: 1000]")
    ] = None,
    method: Annotated[
        Literal["auto", "exact", "nonuniform"] | None,
        typer.Option(metavar="NAME", help="auto, exact or nonuniform. \\[default: auto]"),
    ] = None,
    tolerance: Annotated[
        float | None, typer.Option(help="nonuniform: the largest error. \\[default: 1e-6]")
    ] = None,
    curvature: Annotated[
        tuple[float, float] | None,
        typer.Option(
            show_default=False,
            help="The largest second derivatives of the input and the kernel, for an error bound.",
        ),
    ] = None,
) -> Work:
    """Convolve functions that are known at uneven points.

    [bold]convq irregular-convolve light.npy -k '[[0,0],[0.5,1],[2,0]]' --out seen/[/bold]
    """
    from convq.cli.kernel import parse_kernel

    if at is not None and place:
        raise typer.BadParameter("either --at or --place says where", param_hint="--place")
    fields = {
        "kernel": parse_kernel(kernel),
        "at": place or at,
        "points": points,
        "method": method,
        "tolerance": tolerance,
        "curvature": None if curvature is None else list(curvature),
    }
    show = columns("-convolved.json", method="method", points="points")
    return Work(files, fields, show=show)
