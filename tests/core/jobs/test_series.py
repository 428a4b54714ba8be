"""The job kind ``series``, from Spec to stored results, without a queue."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.signal import lfilter

from core.errors import Cancelled, InvalidInput
from core.jobs import series
from core.media import PNG
from core.series import fit_arima, yule_walker

X = 2 + lfilter([1, 0.4], [1, -0.7], np.random.default_rng(0).normal(size=400))


def test_a_forecast(works: Any) -> None:
    run = works.run("series", works.named(X, "x.npy"), ar=1, ma=1, horizon=20, level=0.9)
    assert works.names(run) == [
        "x-residuals.npy", "x-forecast.npy", "x-series.png", "x-series.json",
    ]  # fmt: skip
    model = fit_arima(X, 1, 0, 1)
    expected = model.forecast(20, 0.9)
    np.testing.assert_allclose(
        works.array(run, "x-forecast.npy"),
        np.stack([expected.mean, expected.low, expected.high], axis=1),
    )
    np.testing.assert_allclose(works.array(run, "x-residuals.npy"), model.residuals)
    found = works.json(run, "x-series.json")
    assert found["ar"] == pytest.approx(model.ar.tolist())
    assert found["residuals"]["ljung_box"]["probability"] > 0.01


@pytest.mark.parametrize("estimator", ["yule-walker", "least-squares"])
def test_an_autoregression_of_several_series(works: Any, estimator: str) -> None:
    several = np.stack([X, X[::-1]], axis=1)
    run = works.run("series", works.named(several, "x.npy"), method="autoregression", ar=3,
                    estimator=estimator)  # fmt: skip
    first, second = works.json(run, "x-series.json")["models"]
    assert first["ar"] == pytest.approx(second["ar"], abs=0.02)
    assert first["ar"] == pytest.approx(yule_walker(X, 3)[0].tolist(), abs=0.02)
    left = works.array(run, "x-residuals.npy")
    np.testing.assert_allclose(
        left[:, 0], X[3:] - first["constant"] - sum(
            a * X[2 - i : len(X) - 1 - i] for i, a in enumerate(first["ar"])
        )
    )  # fmt: skip


def test_a_moving_average_looks_back(works: Any) -> None:
    run = works.run("series", works.named(X, "x.npy"), method="moving-average",
                    weights=[3.0, 2.0, 1.0])  # fmt: skip
    y = works.array(run, "x-average.npy")
    assert y[0] == pytest.approx((3 * X[2] + 2 * X[1] + X[0]) / 6)
    assert len(y) == len(X) - 2


def test_white_series(works: Any) -> None:
    several = np.random.default_rng(0).normal(size=(50, 3)) @ [[1, 2, 0], [0, 1, 3], [1, 1, 1]]
    run = works.run("series", works.named(several, "x.npy"), method="whiten")
    y = works.array(run, "x-white.npy")
    np.testing.assert_allclose(np.cov(y.T), np.eye(3), atol=1e-9)
    found = works.json(run, "x-series.json")
    np.testing.assert_allclose((several - found["mean"]) @ found["matrix"], y)


def test_what_comes_later_is_whitened_as_what_came_before(works: Any) -> None:
    random = np.random.default_rng(0)
    patches = random.normal(size=(90, 3, 4)) + random.normal(size=(90, 1, 1))
    run = works.run("series", works.named(patches[:60], "x.npy"), method="whiten")
    white = works.array(run, "x-white.npy")
    assert white.shape == (60, 3, 4)
    np.testing.assert_allclose(np.cov(white.reshape(60, 12).T), np.eye(12), atol=1e-9)
    (by,) = (result["digest"] for result in run.results if result["name"] == "x-series.json")
    again = works.run("series", works.named(patches[30:], "y.npy"), method="whiten", by=by)
    np.testing.assert_allclose(works.array(again, "y-white.npy")[:30], white[30:])
    assert works.json(again, "y-series.json") == works.json(run, "x-series.json")
    other = works.run("series", works.named(patches[..., 0], "z.npy"), method="whiten", by=by)
    assert other.failures[0]["accepted"] == "the JSON of a whitening of rows of 3 values"
    assert works.run("series", by, method="whiten", by=by).failures


@pytest.mark.parametrize(
    "fields",
    [
        {"by": "sha256:" + "0" * 64},
        {"method": "whiten", "horizon": 3},
        {"method": "autoregression", "ar": 0},
        {"method": "moving-average", "weights": [1.0, -1.0]},
        {"ar": -1},
        {"level": 1.0},
    ],
)
def test_what_makes_no_sense_is_refused(works: Any, fields: Any) -> None:
    with pytest.raises(ValidationError):
        works.spec("series", "sha256:" + "0" * 64, **fields)


def test_what_is_no_series_is_told_by_the_plan(works: Any) -> None:
    good, short = works.upload(X), works.upload(X[:5])
    picture = works.upload(np.zeros((8, 8), np.uint8), PNG)
    plan = works.plan("series", good, short, picture)
    assert "error" not in plan["groups"][0]
    assert plan["groups"][1]["error"]["accepted"] == "at least 8"
    assert plan["groups"][2]["error"]["message"] == "no time series"
    averaged = works.plan("series", good, method="moving-average")
    assert averaged["groups"][0]["candidates"]
    assert works.plan("series", works.upload(np.zeros((50, 3))), method="whiten")["seconds"] > 0
    with pytest.raises(InvalidInput):
        works.plan("series", short)


def test_a_cancelled_job_stops(works: Any) -> None:
    spec = works.spec("series", works.upload(X))
    run = works.make_run("series", spec)
    run.ask_to_stop("cancel")
    with pytest.raises(Cancelled):
        series.run(spec, run)
