"""Time series: moving averages, autoregression, ARIMA, forecasts, whitening."""

from core.series.arima import Arima, Forecast, fit_arima
from core.series.autoregression import autocovariance, least_squares, levinson, yule_walker
from core.series.diagnostics import diagnose
from core.series.whitening import WHITENINGS, Whitening, earlier, whiten

__all__ = [
    "WHITENINGS",
    "Arima",
    "Forecast",
    "Whitening",
    "autocovariance",
    "diagnose",
    "earlier",
    "fit_arima",
    "least_squares",
    "levinson",
    "whiten",
    "yule_walker",
]
