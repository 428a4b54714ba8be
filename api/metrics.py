"""Metrics for Prometheus: what this process served, and what Redis knows at each scrape."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from api.record_metrics import RecordMetrics
from api.services import Services

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The metrics of one application.

    Parameters
    ----------
    services : Services
        Read at each scrape.
    """

    def __init__(self, services: Services) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "convq_http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "convq_http_request_seconds",
            "Time from a request to the start of its answer.",
            ("method", "route"),
            registry=self.registry,
        )
        self._received = Counter(
            "convq_http_received_bytes",
            "Bytes of request bodies, uploads for the most part.",
            ("route",),
            registry=self.registry,
        )
        self.registry.register(RecordMetrics(services))

    def observe(
        self, *, method: str, route: str, status: int, seconds: float, received: int
    ) -> None:
        """Count one answered request; ``route`` is the template of its path."""
        known = method if method in _METHODS else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(known, route).observe(seconds)
        if received:
            self._received.labels(route).inc(received)
