"""``convq explain``: a convolution seen in several ways."""

from __future__ import annotations

from typing import Annotated

import typer

from convq.cli.options import Files, KernelOption, NormalizeOption
from convq.cli.submitting import Work, columns, submits


@submits("explain")
def explain(
    files: Files,
    kernel: KernelOption,
    normalize: NormalizeOption = None,
    view: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="patches, frequency, diffusion or probability; repeat it. \\[default: all]",
        ),
    ] = None,
) -> Work:
    """Show a convolution in several ways, and tell what its kernel does.

    [bold]convq explain photo.jpg -k sobel-x --out shown/[/bold]
    """
    from convq.cli.kernel import parse_kernel

    fields = {"kernel": parse_kernel(kernel), "normalize": normalize, "views": view or None}
    show = columns("-explained.json", sort="sort", rank="rank", orientation="orientation")
    return Work(files, fields, show=show)
