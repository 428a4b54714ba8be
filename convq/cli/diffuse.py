"""``convq diffuse``: pictures and fields as heat that spreads."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from convq.cli import completion
from convq.cli.options import ArrayOutput, BoundaryOption, CvalOption, Files, RangeOption
from convq.cli.submitting import Work, columns, submits


@submits("diffuse")
def diffuse(
    files: Files,
    method: Annotated[
        Literal["heat", "perona-malik", "kernel"] | None,
        typer.Option(
            metavar="NAME",
            help="heat, perona-malik (edges conduct less) or kernel (your own). \\[default: heat]",
        ),
    ] = None,
    time: Annotated[
        float | None, typer.Option(show_default=False, help="How long, in pixels squared.")
    ] = None,
    edge: Annotated[
        float | None,
        typer.Option(
            show_default=False, help="perona-malik: the difference that counts as an edge."
        ),
    ] = None,
    conductivity: Annotated[
        Literal["exponential", "rational"] | None,
        typer.Option(
            metavar="NAME",
            help="perona-malik: exponential or rational. \\[default: exponential]",
        ),
    ] = None,
    smooth: Annotated[
        float | None,
        typer.Option(help="perona-malik: blur before looking for edges, in pixels. \\[default: 0]"),
    ] = None,
    kernel: Annotated[
        str | None,
        typer.Option(
            "--kernel",
            "-k",
            metavar="KERNEL",
            show_default=False,
            autocompletion=completion.presets,
            help="kernel: a preset, nested lists, a file or a digest.",
        ),
    ] = None,
    normalize: Annotated[
        Literal["sum", "softmax"] | None,
        typer.Option(metavar="BY", help="kernel: how it is made a propagator. \\[default: sum]"),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="kernel: how many times. \\[default: 1]")
    ] = None,
    boundary: BoundaryOption = None,
    cval: CvalOption = None,
    frames: Annotated[
        int | None, typer.Option(min=0, help="Pictures in a film of it. \\[default: 0, no film]")
    ] = None,
    output: ArrayOutput = None,
    range_policy: RangeOption = None,
) -> Work:
    """Let pictures and fields diffuse, and make a film of it.

    [bold]convq diffuse photo.jpg --method perona-malik --time 20 --edge 15 --out calm/[/bold]
    """
    from convq.cli.kernel import parse_kernel

    fields = {
        "method": method,
        "time": time,
        "edge": edge,
        "conductivity": conductivity,
        "smooth": smooth,
        "kernel": None if kernel is None else parse_kernel(kernel),
        "normalize": normalize,
        "steps": steps,
        "boundary": boundary,
        "cval": cval,
        "frames": frames,
        "output": output,
        "range": range_policy,
    }
    show = columns("-diffused.json", mass_error="mass_error", variance="variance.after")
    return Work(files, fields, show=show)
