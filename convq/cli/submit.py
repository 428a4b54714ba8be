"""``convq submit``: upload, queue, follow, download."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import typer

from convq.cli.command import Command, Group
from convq.cli.options import (
    AxisOption,
    BoundaryOption,
    CvalOption,
    Files,
    KernelOption,
    MethodOption,
    ModeOption,
    NormalizeOption,
    OperationOption,
    OutputOption,
    PrecisionOption,
    RangeOption,
    TileOption,
    convolve_spec,
)
from convq.cli.submitting import Work, submits

if TYPE_CHECKING:
    from convq.client import Client

app = typer.Typer(
    cls=Group, no_args_is_help=True, help="Submit a job, follow it, fetch its results."
)


@app.callback()
def submit() -> None:
    """Submit a job, follow it, fetch its results."""


@app.command(cls=Command)
@submits("convolve")
def convolve(
    files: Files,
    kernel: KernelOption,
    normalize: NormalizeOption = None,
    mode: ModeOption = None,
    boundary: BoundaryOption = None,
    cval: CvalOption = None,
    axis: AxisOption = None,
    operation: OperationOption = None,
    method: MethodOption = None,
    precision: PrecisionOption = None,
    output: OutputOption = None,
    range_policy: RangeOption = None,
    tile: TileOption = None,
) -> Work:
    """Filter files with a kernel.

    [bold]convq submit convolve photos/*.jpg --kernel sobel-magnitude --out edges/[/bold]
    """
    from convq.cli.presets import check_preset, of_service

    spec = convolve_spec(
        kernel,
        normalize=normalize,
        mode=mode,
        boundary=boundary,
        cval=cval,
        axes=axis,
        operation=operation,
        method=method,
        precision=precision,
        output=output,
        range_policy=range_policy,
        tile_shape=tile,
    )

    def check(client: Client) -> None:
        check_preset(spec["kernel"], partial(of_service, client))

    return Work(files, spec, check=check)
