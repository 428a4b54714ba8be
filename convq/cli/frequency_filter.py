"""``convq frequency-filter``: filters by the frequencies that they let through."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from convq.cli.options import ArrayOutput, Files, RangeOption
from convq.cli.submitting import Work, columns, submits

_WHAT = "What goes through"


def _share(text: str) -> float:
    number = text.removesuffix("%")
    try:
        return float(number) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no share, such as 5% or 0.05") from None


def _notch(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{text!r} are no frequencies, such as 0.1,0.25") from None


@submits("frequency-filter")
def frequency_filter(
    files: Files,
    band: Annotated[
        Literal["low-pass", "high-pass", "band-pass", "band-stop", "notch"] | None,
        typer.Option(
            metavar="NAME",
            show_default=False,
            rich_help_panel=_WHAT,
            help="low-pass, high-pass, band-pass, band-stop or notch.",
        ),
    ] = None,
    cutoff: Annotated[
        float | None,
        typer.Option(
            rich_help_panel=_WHAT,
            show_default=False,
            help="Cycles per pixel, of a sound hertz; lower end of a band, radius of a notch.",
        ),
    ] = None,
    upper: Annotated[
        float | None,
        typer.Option(rich_help_panel=_WHAT, show_default=False, help="Upper end of a band."),
    ] = None,
    shape: Annotated[
        Literal["ideal", "butterworth", "gaussian"] | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=_WHAT,
            help="ideal, butterworth or gaussian. \\[default: butterworth]",
        ),
    ] = None,
    order: Annotated[
        int | None,
        typer.Option(
            min=1, rich_help_panel=_WHAT, help="How steep a butterworth is. \\[default: 2]"
        ),
    ] = None,
    notch: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X,Y",
            show_default=False,
            rich_help_panel=_WHAT,
            help="A wave to take out, by its frequencies along x and y; repeat it.",
        ),
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            show_default=False,
            rich_help_panel=_WHAT,
            help="Instead of a band: the share of the coefficients to keep, such as 5%.",
        ),
    ] = None,
    boundary: Annotated[
        Literal["reflect", "wrap"] | None,
        typer.Option(
            metavar="NAME", help="What lies outside: reflect or wrap. \\[default: reflect]"
        ),
    ] = None,
    output: ArrayOutput = None,
    range_policy: RangeOption = None,
) -> Work:
    """Filter by frequency, or keep only the largest coefficients.

    [bold]convq frequency-filter photo.jpg --band low-pass --cutoff 0.1 --out soft/[/bold]

    [bold]convq frequency-filter photo.jpg --keep 5% --out small/[/bold]
    """
    fields = {
        "band": band,
        "shape": shape,
        "cutoff": cutoff,
        "upper": upper,
        "order": order,
        "notches": [_notch(text) for text in notch] if notch else None,
        "keep": None if keep is None else _share(keep),
        "boundary": boundary,
        "output": output,
        "range": range_policy,
    }
    show = columns(
        "-filter.json", coefficients="coefficients_kept", energy="energy_kept", psnr="psnr"
    )
    return Work(files, fields, show=show)
