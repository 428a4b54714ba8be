"""Autoregressive models: each value as a weighted sum of those before it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core import conv
from core.arrays import Array, array_module, to_numpy, windows
from core.conv.blocks import Check, never
from core.errors import InvalidInput


def autocovariance(x: Array, lags: int, *, check: Check = never) -> Array:
    """Return the autocovariances of a series, by one correlation with itself.

    Parameters
    ----------
    x : ndarray, shape (T,)
        The series.
    lags : int
        The largest distance, below ``T``.
    check : callable
        As in `core.conv.correlate`.

    Returns
    -------
    ndarray, shape (lags + 1,)
        Sums of products divided by ``T`` (not by their number, so that they are those of a
        stationary process), on the device that the series is on.

    Raises
    ------
    InvalidInput
        There are not so many values.

    Examples
    --------
    >>> autocovariance(np.array([1.0, 2.0, 3.0]), 2).round(3).tolist()
    [0.667, 0.0, -0.333]
    """
    n = len(x)
    if not 0 <= lags < n:
        raise InvalidInput(
            "more lags than the series has", field="lags", given=lags, accepted=f"below {n}"
        )
    xp = array_module(x)
    centred = xp.asarray(x, np.float64) - xp.mean(x, dtype=np.float64)
    padded = xp.concatenate([centred, xp.zeros(lags)])
    return conv.correlate(padded, centred, "valid", check=check) / n


def levinson(covariance: Array, order: int) -> tuple[NDArray[Any], float, NDArray[Any]]:
    """Solve the Yule-Walker equations by the recursion of Levinson and Durbin.

    Each step waits for the one before and is a few products, so they are done on the host, where
    the results are.

    Parameters
    ----------
    covariance : ndarray, shape (order + 1,) or longer
        From `autocovariance`; brought to the host.
    order : int
        Of the model.

    Returns
    -------
    coefficients : ndarray, shape (order,)
        Of the value one step before, two steps before, ...
    variance : float
        Of what they leave unexplained.
    partial : ndarray, shape (order,)
        Partial autocorrelations; all within -1 and 1, so the model is stationary.

    Raises
    ------
    InvalidInput
        The series is constant, or fully explained by fewer values.

    Examples
    --------
    >>> coefficients, variance, partial = levinson(np.array([1.0, 0.5, 0.25]), 2)
    >>> coefficients.tolist(), variance, partial.tolist()
    ([0.5, 0.0], 0.75, [0.5, 0.0])
    """
    covariance = to_numpy(covariance)
    coefficients = np.zeros(order)
    partial = np.zeros(order)
    variance = float(covariance[0])
    least = 1e-14 * variance
    for k in range(order):
        if variance <= least:
            raise InvalidInput(
                "the series is constant, or repeats itself exactly",
                field="order",
                given=order,
                accepted=f"at most {k}" if k else "a series that varies",
            )
        known = coefficients[:k]
        reflection = float(covariance[k + 1] - known @ covariance[k:0:-1]) / variance
        coefficients[:k] = known - reflection * known[::-1]
        coefficients[k] = partial[k] = reflection
        variance *= 1 - reflection**2
    return coefficients, variance, partial


def yule_walker(
    x: Array, order: int, *, check: Check = never
) -> tuple[NDArray[Any], float, NDArray[Any]]:
    """Fit an autoregressive model by its autocovariances; always stationary.

    Parameters and results are those of `autocovariance` and `levinson`.

    Examples
    --------
    >>> x = np.cumsum(np.random.default_rng(0).normal(size=2000))
    >>> bool(0.9 < yule_walker(x, 1)[0][0] < 1)
    True
    """
    return levinson(autocovariance(x, order, check=check), order)


def least_squares(x: Array, order: int) -> tuple[NDArray[Any], float, float]:
    """Fit an autoregressive model with a constant by least squares.

    Parameters
    ----------
    x : ndarray, shape (T,)
        The series, of more than ``2 * order + 1`` values; the equations are solved on its device.
    order : int
        Of the model.

    Returns
    -------
    coefficients : ndarray, shape (order,)
        Of the value one step before, two steps before, ...; on the host.
    variance : float
        Mean square of the residuals.
    constant : float
        What is added.

    Raises
    ------
    InvalidInput
        The series is too short.

    Examples
    --------
    >>> x = [1.0]
    >>> for _ in range(9):
    ...     x.append(3 + 0.5 * x[-1])
    >>> coefficients, variance, constant = least_squares(np.array(x), 1)
    >>> coefficients.round(9).tolist(), round(constant, 9)
    ([0.5], 3.0)
    """
    xp = array_module(x)
    x = xp.asarray(x, np.float64)
    if len(x) <= 2 * order + 1:
        raise InvalidInput(
            "the series is too short for this order",
            field="order",
            given=f"{order} for {len(x)} values",
            accepted=f"more than {2 * order + 1} values",
        )
    # Without the mean the columns are about as large as what varies.
    mean = x.mean()
    lagged = windows(x - mean, (order,), (0,))[:-1, ::-1]
    design = xp.column_stack([lagged, xp.ones(len(lagged))])
    solution, *_ = xp.linalg.lstsq(design, x[order:] - mean, rcond=None)
    residuals = x[order:] - mean - design @ solution
    coefficients = solution[:-1]
    constant = float(solution[-1] + mean * (1 - coefficients.sum()))
    return to_numpy(coefficients), float(xp.mean(residuals**2)), constant
