"""``convq stochastic-convolve``: convolution by drawing positions."""

from __future__ import annotations

from typing import Annotated

import typer

from convq.cli.options import (
    ArrayOutput,
    BoundaryOption,
    CvalOption,
    Files,
    KernelOption,
    NormalizeOption,
    RangeOption,
)
from convq.cli.submitting import Work, columns, submits


@submits("stochastic-convolve")
def stochastic_convolve(
    files: Files,
    kernel: KernelOption,
    normalize: NormalizeOption = None,
    samples: Annotated[
        int | None,
        typer.Option("--samples", "-n", min=1, help="Draws for each output. \\[default: 100]"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="The same seed, the same result. \\[default: 0]")
    ] = None,
    words: Annotated[
        bool,
        typer.Option(
            "--words",
            help="The kernel has a row for each word and a column for each feature of arrays "
            "(words, features); each row is normalised by itself.",
        ),
    ] = False,
    boundary: BoundaryOption = None,
    cval: CvalOption = None,
    output: ArrayOutput = None,
    range_policy: RangeOption = None,
) -> Work:
    """Convolve by drawing positions with the probabilities of a kernel.

    [bold]convq stochastic-convolve photo.jpg -k gaussian:sigma=4 -n 50 --out drawn/[/bold]
    """
    from convq.cli.kernel import parse_kernel

    fields = {
        "kernel": parse_kernel(kernel),
        "normalize": normalize,
        "samples": samples,
        "seed": seed,
        "words": words or None,
        "boundary": boundary,
        "cval": cval,
        "output": output,
        "range": range_policy,
    }
    show = columns("-samples.json", error="error", expected="expected_error")
    return Work(files, fields, show=show)
