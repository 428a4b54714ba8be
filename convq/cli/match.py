"""``convq match``: where a picture is in another, or an excerpt in a recording."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from convq.cli.options import Files
from convq.cli.submitting import Work, columns, submits


@submits("match")
def match(
    template: Annotated[
        str,
        typer.Argument(
            metavar="TEMPLATE",
            show_default=False,
            help="What is looked for: a picture, a WAV, an array, or the digest of one.",
        ),
    ],
    files: Files,
    method: Annotated[
        Literal["normalised", "raw", "phase"] | None,
        typer.Option(
            metavar="NAME",
            help="normalised, raw, or phase: the shift between two of one size. "
            "\\[default: normalised]",
        ),
    ] = None,
    mask: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", show_default=False, help="How much each value of the template counts."
        ),
    ] = None,
    scale: Annotated[
        list[float] | None,
        typer.Option(help="A size to look for; repeat it. \\[default: 1]"),
    ] = None,
    rotation: Annotated[
        list[float] | None,
        typer.Option(help="A direction to look for, in degrees; repeat it. \\[default: 0]"),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="The least score. \\[default: 0.5, raw none]")
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="The most matches of a file. \\[default: 100]")
    ] = None,
    overlap: Annotated[
        float | None,
        typer.Option(help="Matches that share more than this are one. \\[default: 0.3]"),
    ] = None,
    scores: Annotated[
        bool, typer.Option("--scores", help="Also deliver the scores of all places as .npy.")
    ] = False,
) -> Work:
    """Find a picture in pictures, or an excerpt in recordings.

    [bold]convq match chorus.wav songs/ --out where/[/bold]

    [bold]convq match logo.png pages/ --scale 0.5 --scale 1 --out where/[/bold]
    """
    fields = {
        "method": method,
        "scales": scale or None,
        "rotations": rotation or None,
        "threshold": threshold,
        "count": count,
        "overlap": overlap,
        "scores": scores or None,
    }
    phase, at = method == "phase", ("x", "y", "sample", "samples", "seconds")
    figures = {"score": "score"} if phase else {"found": "count", "best": "best.score"}
    figures |= {name: f"{'shift' if phase else 'best'}.{name}" for name in at}
    return Work(
        files,
        fields,
        referred={"template": template} | ({} if mask is None else {"mask": mask}),
        show=columns("-matches.json", **figures),
    )
