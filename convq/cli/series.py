"""``convq series``: moving averages, ARIMA with forecasts, whitening."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from convq.cli.submitting import Work, columns, submits


@submits("series")
def series(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            show_default=False,
            help=".npy or .npz (T,), or (T, D) for D series, or WAV; a folder stands for the "
            "files in it.",
        ),
    ],
    method: Annotated[
        Literal["moving-average", "autoregression", "arima", "whiten"] | None,
        typer.Option(
            metavar="NAME",
            help="moving-average, autoregression, arima or whiten. \\[default: arima]",
        ),
    ] = None,
    ar: Annotated[
        int | None, typer.Option(min=0, help="Values before that explain. \\[default: 1]")
    ] = None,
    difference: Annotated[
        int | None, typer.Option(min=0, help="arima: differences first. \\[default: 0]")
    ] = None,
    ma: Annotated[
        int | None, typer.Option(min=0, help="arima: errors before that explain. \\[default: 0]")
    ] = None,
    horizon: Annotated[
        int | None, typer.Option(min=0, help="arima: values to forecast. \\[default: 0]")
    ] = None,
    level: Annotated[
        float | None, typer.Option(help="Probability of the intervals. \\[default: 0.95]")
    ] = None,
    estimator: Annotated[
        Literal["yule-walker", "least-squares"] | None,
        typer.Option(
            metavar="NAME",
            help="autoregression: yule-walker or least-squares. \\[default: yule-walker]",
        ),
    ] = None,
    weight: Annotated[
        list[float] | None,
        typer.Option(help="moving-average: of the value, the one before, ...; repeat it."),
    ] = None,
    whitening: Annotated[
        Literal["standardise", "pca", "zca"] | None,
        typer.Option(metavar="NAME", help="whiten: standardise, pca or zca. \\[default: zca]"),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            show_default=False,
            help="whiten: the -series.json of an earlier one, to do as it did.",
        ),
    ] = None,
) -> Work:
    """Smooth, model and forecast time series, or take the correlations out of several.

    [bold]convq series sales.npy --ar 2 --difference 1 --ma 1 --horizon 30 --out ahead/[/bold]
    """
    fields = {
        "method": method,
        "ar": ar,
        "difference": difference,
        "ma": ma,
        "horizon": horizon,
        "level": level,
        "estimator": estimator,
        "weights": weight or None,
        "whitening": whitening,
    }
    white = "residuals.ljung_box.probability"
    show = columns("-series.json", variance="variance", aic="aic", ljung_box=white)
    return Work(files, fields, referred={} if by is None else {"by": by}, show=show)
