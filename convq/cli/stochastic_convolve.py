"""``convq stochastic-convolve``: convolution by drawing positions."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from convq.cli.options import (
    AsJson,
    BoundaryOption,
    CvalOption,
    Files,
    KernelOption,
    NormalizeOption,
    RangeOption,
    Url,
)
from convq.cli.submitting import columns, submit_files
from convq.cli.train import Detach, Label, Out


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
    boundary: BoundaryOption = None,
    cval: CvalOption = None,
    output: Annotated[
        Literal["same", "npy"] | None,
        typer.Option(metavar="FORMAT", help="same as the input, or npy. \\[default: same]"),
    ] = None,
    range_policy: RangeOption = None,
    out: Out = None,
    label: Label = None,
    detach: Detach = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Convolve by drawing positions with the probabilities of a kernel.

    [bold]convq stochastic-convolve photo.jpg -k gaussian:sigma=4 -n 50 --out drawn/[/bold]
    """
    from convq.cli.kernel import parse_kernel

    fields = {
        "kernel": parse_kernel(kernel),
        "normalize": normalize,
        "samples": samples,
        "seed": seed,
        "boundary": boundary,
        "cval": cval,
        "output": output,
        "range": range_policy,
    }
    submit_files(
        "stochastic-convolve",
        files,
        fields,
        show=columns("-samples.json", error="error", expected="expected_error"),
        out=out,
        label=label,
        detach=detach,
        as_json=as_json,
        url=url,
    )
