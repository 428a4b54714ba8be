"""Metrics for Prometheus: what this process served, and what Redis knows at each scrape."""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Iterator
from typing import get_args

import redis
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from core import queue
from core.settings import Settings
from core.store.artifacts import damaged
from core.store.jobs import JobStore
from core.store.workers import WorkerState, WorkerStore

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The metrics of one application.

    Parameters
    ----------
    settings : Settings
        For the names of keys.
    client : redis.Redis
        Read at each scrape, with the stores below.
    jobs, workers
        The stores.
    """

    def __init__(
        self, settings: Settings, client: redis.Redis, jobs: JobStore, workers: WorkerStore
    ) -> None:
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
        self.registry.register(_Records(settings, client, jobs, workers))

    def observe(
        self, *, method: str, route: str, status: int, seconds: float, received: int
    ) -> None:
        """Count one answered request; ``route`` is the template of its path."""
        known = method if method in _METHODS else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(known, route).observe(seconds)
        if received:
            self._received.labels(route).inc(received)


class _Records(Collector):
    def __init__(
        self, settings: Settings, client: redis.Redis, jobs: JobStore, workers: WorkerStore
    ) -> None:
        self._settings = settings
        self._redis = client
        self._jobs = jobs
        self._workers = workers

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering does not scrape."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges; only ``convq_redis_up`` when Redis is away."""
        try:
            gauges = self._read()
        except RedisError:
            gauges = []
        yield GaugeMetricFamily("convq_redis_up", "Redis answers.", value=float(bool(gauges)))
        yield from gauges

    def _read(self) -> list[Metric]:
        jobs = GaugeMetricFamily("convq_jobs", "Jobs in each state.", labels=("state",))
        for state, count in self._jobs.counts().items():
            jobs.add_metric((state,), count)
        workers = GaugeMetricFamily("convq_workers", "Workers in each state.", labels=("state",))
        seen = Tally(worker.state for worker in self._workers.all())
        for name in get_args(WorkerState):
            workers.add_metric((name,), seen[name])
        oldest = self._jobs.oldest_queued()
        return [
            jobs,
            workers,
            GaugeMetricFamily(
                "convq_artifacts_damaged",
                "Artifacts whose stored bytes are missing or damaged; an upload replaces them.",
                value=damaged(self._redis, self._settings.redis_prefix),
            ),
            GaugeMetricFamily(
                "convq_queue_messages",
                "Wake-ups that wait in the broker.",
                value=queue.depth(self._redis, self._settings),
            ),
            GaugeMetricFamily(
                "convq_queue_oldest_seconds",
                "Age of the job that waits longest; 0 when none waits.",
                value=0.0 if oldest is None else max(0.0, time.time() - oldest),
            ),
        ]
