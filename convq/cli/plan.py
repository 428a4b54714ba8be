"""``convq plan``: what a job would take, without doing it."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from convq.cli.command import Command, Group
from convq.cli.options import (
    AsJson,
    AxisOption,
    BoundaryOption,
    CvalOption,
    DeviceOption,
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
    Url,
    convolve_spec,
)

app = typer.Typer(cls=Group, no_args_is_help=True)


@app.callback()
def plan() -> None:
    """Show which algorithm a job would take, and why, without queueing it."""


@app.command(cls=Command)
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
    device: DeviceOption = None,
    local: Annotated[
        bool, typer.Option("--local", help="Plan for this machine, without a service.")
    ] = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Plan the filtering of files with a kernel.

    [bold]convq plan convolve photo.jpg --kernel gaussian:sigma=8 --local[/bold]
    """
    from convq.cli.boundary import FAILED
    from convq.cli.console import answered, out, print_json
    from convq.cli.files import expand
    from convq.cli.following import upload
    from convq.cli.presets import check_preset, of_service, of_this_version
    from convq.cli.refusals import Refusals
    from convq.cli.tables import plan_view
    from convq.client import Client

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
    if device is not None:
        spec["device"] = device
    paths = expand(files)
    refusals = Refusals()
    if local:
        from convq.cli.local_plan import local_plan

        check_preset(spec["kernel"], of_this_version)
        found = local_plan("convolve", paths, spec, refusals)
    else:
        with Client(url) as client:
            check_preset(spec["kernel"], partial(of_service, client))
            found = client.plan("convolve", inputs=upload(client, paths, refusals), **spec)
    if as_json:
        print_json({"plan": answered(found), "refused": refusals.to_json()})
    else:
        out.print(plan_view(found))
    if refusals:
        raise typer.Exit(FAILED)
