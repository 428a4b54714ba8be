"""``convq deconvolve``: from what was blurred back to what it was."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from convq.cli import completion
from convq.cli.options import ArrayOutput, Files, RangeOption
from convq.cli.submitting import Work, columns, submits


@submits("deconvolve")
def deconvolve(
    files: Files,
    kernel: Annotated[
        str | None,
        typer.Option(
            "--kernel",
            "-k",
            metavar="KERNEL",
            show_default=False,
            autocompletion=completion.presets,
            help="What it was convolved with: a preset, nested lists, a file or a digest. By "
            "default a Gaussian whose width is estimated.",
        ),
    ] = None,
    method: Annotated[
        Literal["wiener", "inverse", "richardson-lucy"] | None,
        typer.Option(
            metavar="NAME", help="wiener, inverse or richardson-lucy. \\[default: wiener]"
        ),
    ] = None,
    noise: Annotated[
        float | None,
        typer.Option(help="wiener: power of the noise by that of the signal. \\[default: 0.01]"),
    ] = None,
    regularisation: Annotated[
        float | None, typer.Option(help="inverse: the price of roughness. \\[default: 0.001]")
    ] = None,
    iterations: Annotated[
        int | None, typer.Option(min=1, help="richardson-lucy: how many steps. \\[default: 30]")
    ] = None,
    boundary: Annotated[
        Literal["reflect", "wrap"] | None,
        typer.Option(
            metavar="NAME", help="What lay outside: reflect or wrap. \\[default: reflect]"
        ),
    ] = None,
    output: ArrayOutput = None,
    range_policy: RangeOption = None,
) -> Work:
    """Undo a blur, known or not.

    [bold]convq deconvolve blurred.png -k gaussian:sigma=2 --noise 0.001 --out sharp/[/bold]
    """
    from convq.cli.kernel import parse_kernel

    fields = {
        "kernel": None if kernel is None else parse_kernel(kernel),
        "method": method,
        "noise": noise,
        "regularisation": regularisation,
        "iterations": iterations,
        "boundary": boundary,
        "output": output,
        "range": range_policy,
    }
    return Work(
        files, fields, show=columns("-deconvolved.json", sigma="sigma", residual="residual")
    )
