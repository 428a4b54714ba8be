"""Metrics for Prometheus that Redis knows: read at each scrape, the same from every API process.

docs/metrics.md tells of each.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import product
from typing import NamedTuple, get_args

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from api.services import Services
from core import queue
from core.store.artifacts import damaged
from core.store.sketch import PER_OCTAVE
from core.store.statistics import Line
from core.store.stored import stored
from core.store.workers import Worker, WorkerState

Sums = Mapping[tuple[str, ...], int]


class Scale(NamedTuple):
    """How times are counted: the smallest bucket's end, and how often it is doubled."""

    least: float
    doublings: int


# A millisecond to two hours; a microsecond to a minute; a 64th to 64.
_JOBS, _COMPUTED, _RATIOS = Scale(1e-3, 23), Scale(1e-6, 26), Scale(1 / 64, 12)


_SILENT_SECONDS = 3600


class RecordMetrics(Collector):
    """What the records, the scripts' sums and the workers' signs of life tell.

    Parameters
    ----------
    services : Services
        Those that see all tenants.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering does not scrape."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; only ``convq_redis_up`` when Redis is away."""
        try:
            found = [
                *self._of_redis(),
                *self._of_jobs(),
                *self._of_queue(),
                *self._of_workers(),
                *self._of_edge(),
                *self._of_sums(),
            ]
        except RedisError:
            found = []
        yield GaugeMetricFamily("convq_redis_up", "Redis answers.", value=float(bool(found)))
        yield from found

    def _of_redis(self) -> Iterator[Metric]:
        info = self._services.redis.info("memory")
        yield GaugeMetricFamily(
            "convq_redis_memory_bytes", "Bytes that Redis uses.", value=info["used_memory"]
        )
        limit = GaugeMetricFamily(
            "convq_redis_memory_limit_bytes", "From where on Redis refuses writes."
        )
        if info.get("maxmemory"):
            limit.add_metric((), info["maxmemory"])
        yield limit

    def _of_jobs(self) -> Iterator[Metric]:
        services = self._services
        jobs = GaugeMetricFamily("convq_jobs", "Jobs in each state.", labels=("state",))
        for state, count in services.jobs.counts().items():
            jobs.add_metric((state,), count)
        yield jobs
        prefix = services.settings.redis_prefix
        yield GaugeMetricFamily(
            "convq_artifacts_damaged",
            "Artifacts whose stored bytes are missing or damaged; an upload replaces them.",
            value=damaged(services.redis, prefix),
        )
        yield GaugeMetricFamily(
            "convq_artifacts_bytes",
            "Bytes of artifacts.",
            value=stored(services.redis, prefix)[0],
        )

    def _of_queue(self) -> Iterator[Metric]:
        services = self._services
        yield GaugeMetricFamily(
            "convq_queue_messages",
            "Wake-ups that wait in the broker.",
            value=queue.depth(services.redis, services.settings),
        )
        yield GaugeMetricFamily(
            "convq_queue_paused",
            "Whether no job begins until the queue is resumed.",
            value=float(services.jobs.paused()),
        )
        ready = GaugeMetricFamily(
            "convq_queue_ready_jobs",
            "Jobs that workers could begin, by the kind of device that they are bound to.",
            labels=("device",),
        )
        for device, count in services.jobs.ready().items():
            ready.add_metric((device,), count)
        yield ready
        jobs = GaugeMetricFamily(
            "convq_queue_jobs",
            "Jobs that could begin, run, or wait for those that they have begun.",
            labels=("priority", "state"),
        )
        ages = GaugeMetricFamily(
            "convq_queue_priority_oldest_seconds",
            "Age of the job of this priority that is ready for longest; 0 when none is.",
            labels=("priority",),
        )
        now, oldest = time.time(), 0.0
        for priority, lines in self._lines().items():
            jobs.add_metric((priority, "ready"), sum(line.ready for line in lines))
            jobs.add_metric((priority, "running"), sum(line.running for line in lines))
            jobs.add_metric((priority, "delayed"), sum(line.delayed for line in lines))
            age = max((now - line.since for line in lines if line.since is not None), default=0.0)
            ages.add_metric((priority,), max(0.0, age))
            oldest = max(oldest, age)
        yield jobs
        yield ages
        yield GaugeMetricFamily(
            "convq_queue_oldest_seconds",
            "Age of the job that is ready for longest; 0 when none is.",
            value=oldest,
        )

    def _lines(self) -> dict[str, list[Line]]:
        """Return what each tenant has in the queue, by priority."""
        statistics = self._services.statistics
        found: dict[str, list[Line]] = defaultdict(list)
        for tenant in statistics.tenants():
            for line in statistics.lines(tenant):
                found[line.priority].append(line)
        return found

    def _of_workers(self) -> Iterator[Metric]:
        found = self._services.workers.all()
        states = GaugeMetricFamily(
            "convq_workers",
            "Workers in each state, on processors and on GPUs.",
            labels=("device", "state"),
        )
        seen = Counter(("gpu" if w.about.get("gpu") else "cpu", w.state) for w in found)
        for key in product(("cpu", "gpu"), get_args(WorkerState)):
            states.add_metric(key, seen[key])
        yield states
        for field, name, documentation in (
            ("utilisation", "utilisation_ratio", "Share of its cores that the worker uses."),
            ("memory", "memory_bytes", "Resident bytes of the worker's processes."),
            ("temperature", "temperature_celsius", "Temperature of the worker's processor."),
        ):
            gauge = GaugeMetricFamily(f"convq_worker_{name}", documentation, labels=("worker",))
            for worker in found:
                value = worker.about.get("vitals", {}).get(field)
                if value is not None:
                    gauge.add_metric((worker.name,), value)
            yield gauge
        yield from _of_gpus(found)

    def _of_edge(self) -> Iterator[Metric]:
        labels = ("tenant", "group")
        boxes = GaugeMetricFamily("convq_edge_boxes", "Boxes at the edge.", labels=labels)
        silent = GaugeMetricFamily(
            "convq_edge_boxes_silent", "Boxes that have said nothing for an hour.", labels=labels
        )
        stopped = GaugeMetricFamily(
            "convq_edge_rollout_stopped", "Whether the group's roll-out has stopped.", labels=labels
        )
        share = GaugeMetricFamily(
            "convq_edge_rollout_ratio", "Share of the boxes that get the roll-out.", labels=labels
        )
        since = time.time() - _SILENT_SECONDS
        for tenant in self._services.statistics.tenants():
            store = self._services.edge.of(tenant)
            for group in store.groups():
                of = (tenant, group.name)
                boxes.add_metric(of, group.boxes)
                found = store.boxes(group.name)
                silent.add_metric(of, sum((box.seen or box.created) < since for box in found))
                if group.rollout is not None:
                    stopped.add_metric(of, float(group.rollout.state == "stopped"))
                    share.add_metric(of, group.rollout.share / 100)
        yield from (boxes, silent, stopped, share)

    def _of_sums(self) -> Iterator[Metric]:
        sums = self._services.statistics.sums()
        for name, metric, documentation, labels in (
            ("submitted", "convq_jobs_submitted", "Jobs submitted.", ("kind",)),
            ("ended", "convq_jobs_ended", "Jobs that ended.", ("kind", "state")),
            ("retried", "convq_jobs_retried", "Jobs queued again on request.", ()),
            (
                "attempts",
                "convq_attempts",
                "Attempts that ended; expired: the lease ran out, lost: the process died.",
                ("outcome",),
            ),
        ):
            counter = CounterMetricFamily(metric, documentation, labels=labels)
            if not labels:
                counter.add_metric((), sums.get((name,), 0))
            for parts, number in sums.items():
                if labels and parts[0] == name:
                    counter.add_metric(parts[1:], number)
            yield counter
        yield _histogram(
            sums, "waited", "convq_job_waited_seconds", "kind", _JOBS,
            "Seconds from entering the queue to the first attempt, of jobs that ended.",
        )  # fmt: skip
        yield _histogram(
            sums, "ran", "convq_job_ran_seconds", "kind", _JOBS,
            "Seconds from the first attempt to the end, of jobs that ended.",
        )  # fmt: skip
        yield _histogram(
            sums, "computed", "convq_plan_seconds", "algorithm", _COMPUTED,
            "Measured seconds of a planned convolution of an input.",
        )  # fmt: skip
        yield _histogram(
            sums, "overrun", "convq_plan_overrun_ratio", "algorithm", _RATIOS,
            "Measured over predicted seconds of a planned convolution.",
        )  # fmt: skip
        yield _histogram(
            sums, "regret", "convq_plan_regret_ratio", "algorithm", _RATIOS,
            "Time of the algorithm that is predicted to be the fastest over that of the one that "
            "is, where both were timed.",
        )  # fmt: skip


def _of_gpus(workers: list[Worker]) -> Iterator[Metric]:
    labels = ("worker", "gpu", "name")
    up = GaugeMetricFamily("convq_gpu_up", "1 while it passes its tests, else 0.", labels=labels)
    found = [
        (worker, str(index), gpu)
        for worker in workers
        for index, gpu in enumerate(worker.about.get("vitals", {}).get("gpus", ()))
    ]
    for worker, index, gpu in found:
        # One that has failed does not tell its name any more.
        name = worker.about.get("gpu", gpu)["name"]
        up.add_metric((worker.name, index, name), worker.about.get("fault") is None)
    yield up
    for field, name, documentation in (
        ("utilisation", "utilisation_ratio", "Share of the last moment in which it computed."),
        ("memory", "memory_bytes", "Bytes in use."),
        ("memory_total", "memory_total_bytes", "Bytes that it has."),
        ("temperature", "temperature_celsius", "Temperature of the GPU."),
        ("watts", "power_watts", "Power that it takes."),
    ):
        gauge = GaugeMetricFamily(f"convq_gpu_{name}", documentation, labels=labels)
        for worker, index, gpu in found:
            if gpu[field] is not None:
                gauge.add_metric((worker.name, index, gpu["name"]), gpu[field])
        yield gauge


def _histogram(
    sums: Sums, name: str, metric: str, label: str, scale: Scale, documentation: str
) -> Metric:
    """Return a histogram of one label's values, of the buckets whose ends are doublings."""
    family = HistogramMetricFamily(metric, documentation, labels=(label,))
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for parts, number in sums.items():
        if parts[0] == name:
            counts[parts[1]][int(parts[2])] = number
    for value, buckets in counts.items():
        ends = [
            (
                repr(scale.least * 2**octave),
                sum(n for index, n in buckets.items() if index <= octave * PER_OCTAVE),
            )
            for octave in range(scale.doublings + 1)
        ]
        family.add_metric(
            (value,), [*ends, ("+Inf", buckets.total())], _sum(sums, name, value, scale)
        )
    return family


def _sum(sums: Sums, name: str, value: str, scale: Scale) -> float | None:
    unit = {_JOBS: "ms", _COMPUTED: "us"}.get(scale)
    return None if unit is None else sums.get((f"{name}_{unit}", value), 0) * scale.least
