"""The job kind ``series``: moving averages, ARIMA with forecasts, and whitening."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from core import conv
from core.errors import InvalidInput
from core.jobs.each import Item, deliver_array, deliver_json, deliver_picture, each, read, real
from core.jobs.inputs import Digest, Input, count, describe, distinct, renamed
from core.jobs.kind import Kind, Planning, Spec
from core.jobs.run import Run
from core.jobs.subjects import Subject, plan_each, work
from core.media import JSON, NPY, PICTURES
from core.series import (
    Whitening,
    diagnose,
    earlier,
    fit_arima,
    least_squares,
    whiten,
    yule_walker,
)
from core.series.chart import chart

_MOST_COLUMNS = 1000

_Order = Annotated[int, Field(ge=0, le=100)]


class SeriesSpec(Spec):
    """Smooth, model and forecast time series, or take the correlations out of several."""

    kind: Literal["series"]
    inputs: list[Digest | Input] = Field(
        min_length=1,
        description="Artifacts: .npy or .npz of shape (T,), or (T, D) for D series, or WAV; each "
        "becomes one item of the job.",
        examples=[["sha256:" + "0" * 64]],
    )
    method: Literal["moving-average", "autoregression", "arima", "whiten"] = Field(
        default="arima",
        description="moving-average: weighted means of the values before; autoregression: each "
        "value from those before it; arima: by conditional sum of squares; whiten: several series "
        "without correlations.",
    )
    weights: Annotated[
        list[Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=1, max_length=100_000)
    ] = Field(
        default=[1.0, 1.0, 1.0, 1.0, 1.0],
        description="For moving-average: of the value itself, the one before, and so on; they are "
        "divided by their sum.",
    )
    ar: _Order = Field(default=1, description="Values before that each one is explained by.")
    difference: Annotated[int, Field(ge=0, le=3)] = Field(
        default=0, description="For arima: how many times differences are taken first."
    )
    ma: _Order = Field(
        default=0, description="For arima: errors before that each value is explained by."
    )
    estimator: Literal["yule-walker", "least-squares"] = Field(
        default="yule-walker",
        description="For autoregression: by autocovariances, always stationary, or by least "
        "squares.",
    )
    horizon: int = Field(
        default=0, ge=0, le=100_000, description="For arima: how many values to forecast."
    )
    level: float = Field(
        default=0.95, gt=0, lt=1, description="Probability of the forecast's intervals."
    )
    whitening: Whitening = Field(
        default="zca",
        description="For whiten: each by its own deviation (standardise), along the eigenvectors "
        "of the covariance (pca), or that turned back to the original axes (zca).",
    )

    by: Digest | None = Field(
        default=None,
        description="For whiten: the JSON of an earlier one, whose means and matrix are taken, so "
        "that data which come later are whitened as those before.",
    )

    @model_validator(mode="after")
    def _suits_the_method(self) -> SeriesSpec:
        if self.by is not None and self.method != "whiten":
            raise ValueError("by belongs to whiten")
        if self.method != "arima" and (self.difference or self.ma or self.horizon):
            raise ValueError("difference, ma and horizon belong to arima")
        if self.method == "autoregression" and self.ar == 0:
            raise ValueError("an autoregression explains by at least one value")
        if not math.isfinite(sum(self.weights)) or sum(self.weights) == 0:
            raise ValueError("the weights have no sum to divide by")
        return self


def references(spec: SeriesSpec) -> tuple[str, ...]:
    """Return the digests of the inputs and of an earlier whitening, each once."""
    return distinct(spec.inputs, *([] if spec.by is None else [spec.by]))


def plan(spec: SeriesSpec, planning: Planning) -> dict[str, Any]:
    """Plan the convolution of a moving average, or price the fits."""

    def plan_one(subject: Subject) -> dict[str, Any]:
        _check(spec, subject)
        length, columns = subject.shape[0], math.prod(subject.shape[1:])
        values = length * columns
        if spec.method == "moving-average":
            found = conv.plan(
                subject.shape,
                (len(spec.weights),),
                dtype="float64",
                mode="valid",
                axes=0,
                device=planning.device,
                memory_cap=planning.memory_cap,
            )
            return found.to_dict()
        if spec.method == "whiten":
            seconds = 6 * values * columns * planning.device.gemm["float64"]
            how = "svd" if spec.by is None else "product"
            return work(how, f"of {length} × {columns}", seconds, 32 * values, planning)
        parameters = spec.ar + spec.ma + 1
        # About fifteen steps of the search, each with a residual for each slope.
        rounds = 15 * parameters if spec.method == "arima" else 3
        seconds = rounds * values * parameters * 4e-9
        why = f"{columns} series of {length} values, {parameters} parameters"
        return work(spec.method, why, seconds, 8 * length * (parameters + 8), planning)

    return plan_each(spec.inputs, planning, plan_one)


def run(spec: SeriesSpec, run: Run) -> None:
    """Treat one input after another; one that cannot be processed fails alone."""
    each(spec.inputs, run, lambda name, digest: _one(spec, run, name, digest))


def _one(spec: SeriesSpec, run: Run, name: str, digest: str) -> None:
    with run.stage("load"):
        item = read(run, name, digest)
        _check(spec, item.subject)
        x = real(item).astype(np.float64)
    match spec.method:
        case "moving-average":
            _average(spec, run, item, x)
        case "whiten":
            _whiten(spec, run, item, x)
        case _:
            _models(spec, run, item, x)


def _average(spec: SeriesSpec, run: Run, item: Item, x: NDArray[Any]) -> None:
    weights = np.array(spec.weights) / sum(spec.weights)
    with run.stage("convolve"):
        y = conv.convolve(x, weights, "valid", axes=0, memory_cap=run.memory_cap, check=run.check)
    with run.stage("store"):
        deliver_array(run, item, renamed(item.name, NPY, "-average"), y, NPY)


def _whiten(spec: SeriesSpec, run: Run, item: Item, x: NDArray[Any]) -> None:
    with run.stage("whiten"):
        rows = x.reshape(len(x), -1)
        if spec.by is None:
            how = spec.whitening
            y, mean, matrix = whiten(rows, how)
        else:
            how, mean, matrix = earlier(run.fetch(spec.by).read_bytes(), rows.shape[1])
            y = (rows - mean) @ matrix
        if y.shape == rows.shape and how != "pca":
            # What was a picture is one still.
            y = y.reshape(x.shape)
    with run.stage("store"):
        deliver_array(run, item, renamed(item.name, NPY, "-white"), y, NPY)
        document = {"method": how, "mean": mean.tolist(), "matrix": matrix.tolist()}
        deliver_json(run, renamed(item.name, JSON, "-series"), document, item.digest)


def _models(spec: SeriesSpec, run: Run, item: Item, x: NDArray[Any]) -> None:
    columns = x.reshape(len(x), -1).T
    fit = _arima if spec.method == "arima" else _autoregression
    found, left, expected = [], [], []
    with run.stage("fit"):
        for column in columns:
            run.check()
            document, residuals, forecast, drawn = fit(spec, run, column)
            found.append(document)
            left.append(residuals)
            expected.append(forecast)
    with run.stage("store"):
        single = x.ndim == 1
        name = item.name
        rest = left[0] if single else np.stack(left, axis=1)
        deliver_array(run, item, renamed(name, NPY, "-residuals"), rest, NPY)
        if spec.horizon:
            ahead = expected[0] if single else np.stack(expected, axis=1)
            deliver_array(run, item, renamed(name, NPY, "-forecast"), ahead, NPY)
        if single:
            deliver_picture(run, item, "-series", drawn)
        models: Any = {"models": found} | (found[0] if single else {})
        deliver_json(run, renamed(name, JSON, "-series"), models, item.digest)


_Fit = tuple[dict[str, Any], NDArray[Any], NDArray[Any], NDArray[np.uint8]]


def _arima(spec: SeriesSpec, run: Run, x: NDArray[Any]) -> _Fit:
    model = fit_arima(x, spec.ar, spec.difference, spec.ma, check=run.check)
    expected = model.forecast(spec.horizon, spec.level) if spec.horizon else None
    ahead = np.empty((0, 3))
    if expected is not None:
        ahead = np.stack([expected.mean, expected.low, expected.high], axis=-1)
    fitted = spec.ar + spec.ma
    document = {
        "ar": model.ar.tolist(),
        "ma": model.ma.tolist(),
        "difference": model.d,
        "mean": model.mean,
        "variance": model.variance,
        "standard_errors": model.errors.tolist(),
        "aic": float(model.aic),
        "residuals": diagnose(model.residuals, fitted, max(10, fitted + 5), check=run.check),
        "forecast": ahead.tolist(),
    }
    return document, model.residuals, ahead, chart(x, expected)


def _autoregression(spec: SeriesSpec, run: Run, x: NDArray[Any]) -> _Fit:
    _check_length(spec, len(x))
    partial = None
    if spec.estimator == "yule-walker":
        coefficients, variance, found = yule_walker(x, spec.ar, check=run.check)
        partial = found.tolist()
        constant = float(x.mean() * (1 - coefficients.sum()))
    else:
        coefficients, variance, constant = least_squares(x, spec.ar)
    taps = np.concatenate([[1.0], -coefficients])
    residuals = conv.convolve(x, taps, "valid", check=run.check) - constant
    document = {
        "ar": coefficients.tolist(),
        "constant": constant,
        "variance": variance,
        "partial_autocorrelations": partial,
        "residuals": diagnose(residuals, spec.ar, max(10, spec.ar + 5), check=run.check),
    }
    return document, residuals, np.empty((0, 3)), chart(x)


def _check(spec: SeriesSpec, subject: Subject) -> None:
    columns = math.prod(subject.shape[1:])
    many = len(subject.shape) > 2 and spec.method != "whiten"
    if subject.media_type in PICTURES or many or columns > _MOST_COLUMNS:
        accepted = f"(T,), or (T, D) for up to {_MOST_COLUMNS} series"
        if spec.method == "whiten":
            accepted = f"arrays of up to {_MOST_COLUMNS} values for each index of their first axis"
        raise InvalidInput(
            "no time series",
            field="inputs",
            given=describe(subject.shape, subject.dtype),
            accepted=accepted,
        )
    _check_length(spec, subject.shape[0])


def _check_length(spec: SeriesSpec, length: int) -> None:
    least = {
        "moving-average": len(spec.weights),
        "autoregression": 2 * spec.ar + 2,
        "arima": spec.difference + spec.ar + 2 * (spec.ar + spec.ma + 2) + 1,
        "whiten": 2,
    }[spec.method]
    if length < least:
        raise InvalidInput(
            "the series is too short for this",
            field="inputs",
            given=f"{length} values",
            accepted=f"at least {least}",
        )


KIND = Kind(
    name="series",
    summary="Smooth, model and forecast time series, or take the correlations out of several.",
    spec=SeriesSpec,
    references=references,
    items=count,
    plan=plan,
    run=run,
)
