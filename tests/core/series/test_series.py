"""Models of series against statsmodels, and against the processes that made them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter
from statsmodels.stats.diagnostic import acorr_ljungbox
from statsmodels.tsa.ar_model import AutoReg
from statsmodels.tsa.statespace.sarimax import SARIMAX

from core.errors import Cancelled, InvalidInput
from core.series import (
    WHITENINGS,
    autocovariance,
    diagnose,
    fit_arima,
    least_squares,
    levinson,
    whiten,
    yule_walker,
)
from core.series.chart import chart

SEEDS = st.integers(0, 999)


def series(seed: int, n: int = 300) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=n + 100)
    return 5 + lfilter([1, 0.5], [1, -0.6, 0.2], noise)[100:]


@settings(max_examples=15)
@given(SEEDS, st.integers(1, 6))
def test_autoregressions_are_those_of_statsmodels(seed: int, order: int) -> None:
    x = series(seed)
    np.testing.assert_allclose(
        autocovariance(x, order), sm.tsa.acovf(x, nlag=order, fft=False), atol=1e-10
    )
    coefficients, variance, partial = yule_walker(x, order)
    with warnings.catch_warnings():  # of what its next version returns
        warnings.simplefilter("ignore", FutureWarning)
        expected, sigma = sm.regression.yule_walker(x, order, method="mle")
    np.testing.assert_allclose(coefficients, expected, atol=1e-9)
    np.testing.assert_allclose(variance, sigma**2)
    np.testing.assert_allclose(partial, sm.tsa.pacf(x, nlags=order, method="ldb")[1:], atol=1e-9)
    ours, _, constant = least_squares(x, order)
    theirs = AutoReg(x, order).fit().params
    np.testing.assert_allclose([constant, *ours], theirs, atol=1e-8)


@settings(max_examples=10)
@given(SEEDS)
def test_residuals_are_diagnosed_as_by_statsmodels(seed: int) -> None:
    x = series(seed)
    found = diagnose(x, parameters=3, lags=12)
    theirs = acorr_ljungbox(x, lags=[12], model_df=3)
    assert found["ljung_box"]["statistic"] == pytest.approx(theirs["lb_stat"].iloc[0])
    assert found["ljung_box"]["probability"] == pytest.approx(theirs["lb_pvalue"].iloc[0])
    np.testing.assert_allclose(found["autocorrelations"], sm.tsa.acf(x, nlags=12)[1:], atol=1e-9)


@pytest.mark.parametrize("orders", [(1, 0, 0), (0, 0, 2), (2, 0, 1), (1, 1, 1), (1, 2, 0)])
def test_arima_comes_to_what_maximum_likelihood_comes_to(orders: Any) -> None:
    p, d, q = orders
    x = series(7, 3000)
    for _ in range(d):
        x = np.cumsum(x - 5)
    model = fit_arima(x, p, d, q)
    # Its likelihood differs only in what is before the first values.
    theirs = SARIMAX(x, order=orders, trend="c" if d == 0 else "n").fit(disp=False)
    coefficients = theirs.params[1:-1] if d == 0 else theirs.params[:-1]
    np.testing.assert_allclose([*model.ar, *model.ma], coefficients, atol=0.01)
    assert model.variance == pytest.approx(theirs.params[-1], rel=0.01)
    np.testing.assert_allclose(model.errors, theirs.bse[1:-1] if d == 0 else theirs.bse[:-1],
                               rtol=0.15)  # fmt: skip
    ahead = model.forecast(12, level=0.9)
    expected = theirs.get_forecast(12)
    interval = expected.conf_int(alpha=0.1)
    width = interval[:, 1] - interval[:, 0]
    np.testing.assert_allclose((ahead.mean - expected.predicted_mean) / width, 0, atol=0.03)
    np.testing.assert_allclose((ahead.high - ahead.low) / width, 1, atol=0.03)


def test_a_model_without_coefficients_is_the_mean() -> None:
    x = np.random.default_rng(0).normal(3, 2, size=500)
    model = fit_arima(x, 0, 0, 0)
    assert model.mean == pytest.approx(x.mean())
    assert model.variance == pytest.approx(x.var())
    np.testing.assert_allclose(model.forecast(3).mean, x.mean())


def test_intervals_hold_what_they_say() -> None:
    inside = 0
    for seed in range(150):
        x = series(seed, 405)
        ahead = fit_arima(x[:400], 2, 0, 1).forecast(5, level=0.8)
        inside += int(((ahead.low <= x[400:]) & (x[400:] <= ahead.high)).sum())
    assert inside / 750 == pytest.approx(0.8, abs=0.05)


@given(SEEDS, st.sampled_from(WHITENINGS))
def test_white_data_have_no_correlations(seed: int, how: Any) -> None:
    random = np.random.default_rng(seed)
    x = random.normal(size=(40, 4)) @ random.normal(size=(4, 4)) + 1e3
    y, mean, matrix = whiten(x, how)
    np.testing.assert_allclose((x - mean) @ matrix, y)
    covariance = np.cov(y.T)
    np.testing.assert_allclose(np.diag(covariance), 1)
    if how != "standardise":
        np.testing.assert_allclose(covariance, np.eye(4), atol=1e-6)
    if how == "zca":
        np.testing.assert_allclose(matrix, matrix.T, atol=1e-8 * abs(matrix).max())


def test_what_does_not_vary_is_left_out() -> None:
    x = np.random.default_rng(0).normal(size=(20, 3))
    x[:, 1] = x[:, 0] * 2
    x[:, 2] = 7
    assert [whiten(x, how)[0].shape[1] for how in WHITENINGS] == [2, 1, 3]
    with pytest.raises(InvalidInput, match="different rows"):
        whiten(np.ones((5, 2)), "zca")


@pytest.mark.parametrize(
    "call",
    [
        lambda: autocovariance(np.ones(3), 3),
        lambda: levinson(np.zeros(3), 2),
        lambda: least_squares(np.arange(5.0), 2),
        lambda: fit_arima(np.arange(8.0), 1, 0, 1),
        lambda: fit_arima(np.ones(50), 1, 0, 0),
        lambda: fit_arima(np.arange(50.0), 1, 2, 0),
    ],
)
def test_what_cannot_be_fitted_is_refused(call: Any) -> None:
    with pytest.raises(InvalidInput):
        call()


def test_a_fit_can_be_stopped() -> None:
    def stop() -> None:
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        fit_arima(series(0), 1, 0, 1, check=stop)


def test_the_chart_shows_series_and_forecast() -> None:
    x = series(0)
    assert chart(np.ones(3)).shape == (320, 800, 3)
    drawn = chart(x, fit_arima(x, 1, 0, 0).forecast(30))
    assert (drawn == (250, 215, 205)).all(axis=-1).sum() > 1000
