"""Whether residuals are noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy  # its parts, which take long to load, when they are first used

from core.arrays import Array, to_numpy
from core.conv.blocks import Check, never
from core.series.autoregression import autocovariance


def diagnose(
    residuals: Array, parameters: int = 0, lags: int = 10, *, check: Check = never
) -> dict[str, Any]:
    """Return figures that tell noise from what a model has left unexplained.

    Parameters
    ----------
    residuals : ndarray, shape (T,)
        Of a model. Correlations are computed on its device, moments on the host.
    parameters : int
        How many of the model's coefficients were fitted, which costs as many degrees of freedom.
    lags : int
        Of the autocorrelations.
    check : callable
        As in `core.conv.correlate`.

    Returns
    -------
    dict
        ``mean``, ``variance``, ``skewness``, ``kurtosis`` (0 for the normal distribution), the
        ``autocorrelations`` from lag 1 on, and the test of Ljung and Box: its ``statistic`` and the
        ``probability`` of one as large if there is no correlation; None with too few lags.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=500)
    >>> diagnose(noise)["ljung_box"]["probability"] > 0.05
    True
    """
    n = len(residuals)
    lags = min(lags, n - 1)
    covariance = to_numpy(autocovariance(residuals, lags, check=check))
    residuals = to_numpy(residuals)
    varies = covariance[0] > 0
    correlation = covariance[1:] / covariance[0] if varies else np.zeros(lags)
    statistic = float(n * (n + 2) * (correlation**2 / (n - np.arange(1, lags + 1))).sum())
    freedom = lags - parameters
    return {
        "mean": float(np.mean(residuals)),
        "variance": float(np.var(residuals)),
        "skewness": float(scipy.stats.skew(residuals)) if varies else 0.0,
        "kurtosis": float(scipy.stats.kurtosis(residuals)) if varies else 0.0,
        "autocorrelations": correlation.tolist(),
        "ljung_box": {
            "lags": lags,
            "statistic": statistic,
            "probability": float(scipy.stats.chi2.sf(statistic, freedom)) if freedom > 0 else None,
        },
    }
