"""ARIMA by conditional sum of squares, its parts run as a convolution and a recursion."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # its parts, which take long to load, when they are first used
from numpy.typing import NDArray

from core.arrays import Array, to_numpy
from core.conv.blocks import Check, never
from core.errors import InvalidInput
from core.nets.blas import one_thread
from core.series.autoregression import yule_walker


@dataclass(frozen=True, eq=False)
class Forecast:
    """What a model expects next.

    Attributes
    ----------
    mean, low, high : ndarray, shape (H,)
        The expected values, and between which they lie with the stated probability.
    """

    mean: NDArray[Any]
    low: NDArray[Any]
    high: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Arima:
    """A fitted model.

    With ``w`` the series differenced ``d`` times, less its mean, it says that
    ``w[t] = sum ar[i] w[t - 1 - i] + e[t] + sum ma[j] e[t - 1 - j]``.

    Attributes
    ----------
    ar, ma : ndarray
        The coefficients.
    d : int
        How many times the series was differenced.
    mean : float
        Of the series; 0 where it was differenced.
    variance : float
        Of the residuals ``e``.
    errors : ndarray, shape (p + q,)
        Standard errors of ``ar``, then ``ma``.
    residuals : ndarray, shape (T - d - p,)
        The ``e``, the first ``p`` being taken as 0.
    aic : float
        Akaike's criterion, by which models of one ``d`` are compared: the smaller the better.
    series : ndarray, shape (T,)
        What was fitted.
    """

    ar: NDArray[Any]
    ma: NDArray[Any]
    d: int
    mean: float
    variance: float
    errors: NDArray[Any]
    residuals: NDArray[Any]
    aic: float
    series: NDArray[Any]

    def forecast(self, horizon: int, level: float = 0.95) -> Forecast:
        """Return what comes next.

        Parameters
        ----------
        horizon : int
            How many values.
        level : float
            Probability that a value lies within its interval, for normal residuals and a model
            that is right.
        """
        w = np.diff(self.series, self.d) - self.mean
        p, q = len(self.ar), len(self.ma)
        # The latest first; the oldest make room.
        past, errors = deque(w[::-1][:p], p), deque(self.residuals[::-1][:q], q)
        expected = []
        for _ in range(horizon):
            value = float(np.dot(self.ar, past) + np.dot(self.ma, errors))
            expected.append(value)
            past.appendleft(value)
            errors.appendleft(0.0)
        mean = np.array(expected) + self.mean
        for level_of in range(self.d - 1, -1, -1):
            mean = np.diff(self.series, level_of)[-1] + np.cumsum(mean)
        impulse = np.zeros(horizon)
        impulse[0] = 1.0
        denominator = np.concatenate([[1.0], -self.ar])
        for _ in range(self.d):
            denominator = np.convolve(denominator, [1.0, -1.0])
        psi = scipy.signal.lfilter(np.concatenate([[1.0], self.ma]), denominator, impulse)
        width = scipy.stats.norm.ppf(0.5 + level / 2) * np.sqrt(self.variance * np.cumsum(psi**2))
        return Forecast(mean, mean - width, mean + width)


def fit_arima(x: Array, p: int, d: int, q: int, *, check: Check = never) -> Arima:
    """Fit a model of autoregressive order ``p``, differenced ``d`` times, of moving average ``q``.

    Coefficients are sought as partial autocorrelations, all of which within -1 and 1 are a
    stationary and invertible model, and nothing else is [1]_.

    Parameters
    ----------
    x : ndarray, shape (T,)
        The series. The search is a recursion over it, again and again, which has nothing to do at
        once for a GPU: it is brought to the host first, where the model is.
    p, d, q : int
        The orders.
    check : callable
        Called in each step; raises to stop.

    Returns
    -------
    Arima

    Raises
    ------
    InvalidInput
        The series is too short, or constant.

    References
    ----------
    .. [1] M. Jones, "Maximum likelihood fitting of ARMA models to time series with missing
       observations", Technometrics 22, 1980.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=5000)
    >>> model = fit_arima(scipy.signal.lfilter([1, 0.4], [1, -0.7], noise), 1, 0, 1)
    >>> bool(abs(model.ar[0] - 0.7) < 0.05), bool(abs(model.ma[0] - 0.4) < 0.05)
    (True, True)
    """
    x = np.asarray(to_numpy(x), np.float64)
    if len(x) <= d + p + 2 * (p + q + 2):
        raise InvalidInput(
            "the series is too short for these orders",
            field="ar",
            given=f"{len(x)} values for {p}, {d}, {q}",
            accepted=f"more than {d + p + 2 * (p + q + 2)} values",
        )
    w = np.diff(x, d)
    level = 0.0 if d else float(w.mean())
    scale = float(w.std())
    if scale <= 1e-12 * float(np.abs(w).max(initial=0)) or scale == 0:
        raise InvalidInput(
            "the series is constant, or is once it was differenced",
            field="inputs",
            given=f"difference {d}",
            accepted="a series that varies",
        )
    z = (w - level) / scale
    with_mean = d == 0

    def residuals(raw: NDArray[Any]) -> NDArray[Any]:
        check()
        ar, ma, mean = _unpacked(raw, p, q)
        return _residuals(z - mean, ar, ma)

    def from_partial(free: NDArray[Any]) -> NDArray[Any]:
        ar = _stationary(np.tanh(free[:p]))
        ma = -_stationary(np.tanh(free[p : p + q]))
        return np.concatenate([ar, ma, free[p + q :]])

    start = np.zeros(p + q + with_mean)
    if p:
        start[:p] = np.arctanh(np.clip(yule_walker(z, p, check=check)[2], -0.95, 0.95))
    best = start
    if len(start):

        def unexplained(free: NDArray[Any]) -> NDArray[Any]:
            return residuals(from_partial(free))

        with one_thread():
            found = scipy.optimize.least_squares(unexplained, start, xtol=1e-10, ftol=1e-10)
        best = found.x
    raw = from_partial(best)
    ar, ma, mean = _unpacked(raw, p, q)
    e = _residuals(z - mean, ar, ma)
    variance = float(np.mean(e**2))
    count = len(e)
    errors = _standard_errors(residuals, raw, variance)[: p + q]
    return Arima(
        ar,
        ma,
        d,
        level + mean * scale,
        variance * scale**2,
        errors,
        e * scale,
        count * (np.log(2 * np.pi * variance * scale**2) + 1) + 2 * (len(raw) + 1),
        x,
    )


def _residuals(z: NDArray[Any], ar: NDArray[Any], ma: NDArray[Any]) -> NDArray[Any]:
    # The autoregressive part is a convolution, the other its inverse: a recursion.
    explained = np.convolve(z, np.concatenate([[1.0], -ar]), "valid")
    left: NDArray[Any] = scipy.signal.lfilter([1.0], np.concatenate([[1.0], ma]), explained)
    return left


def _unpacked(raw: NDArray[Any], p: int, q: int) -> tuple[NDArray[Any], NDArray[Any], float]:
    return raw[:p], raw[p : p + q], float(raw[p + q]) if len(raw) > p + q else 0.0


def _stationary(partial: NDArray[Any]) -> NDArray[Any]:
    """Return the coefficients that have these partial autocorrelations."""
    coefficients = np.zeros(len(partial))
    for k, reflection in enumerate(partial):
        known = coefficients[:k].copy()
        coefficients[:k] = known - reflection * known[::-1]
        coefficients[k] = reflection
    return coefficients


def _standard_errors(residuals: Any, raw: NDArray[Any], variance: float) -> NDArray[Any]:
    if not len(raw):
        return raw
    step = 1e-5
    slopes = np.stack(
        [
            (residuals(raw + step * unit) - residuals(raw - step * unit)) / (2 * step)
            for unit in np.eye(len(raw))
        ],
        axis=1,
    )
    covariance = variance * np.linalg.pinv(slopes.T @ slopes)
    errors: NDArray[Any] = np.sqrt(np.diag(covariance))
    return errors
