"""What Prometheus is told is what happened; the documents tell of every metric and of no other."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
import yaml
from prometheus_client.parser import text_string_to_metric_families

from core.settings import Settings
from core.store.sketch import bucket
from core.store.statistics import Statistics
from core.store.workers import WorkerStore

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
RULES = MONITORING / "convq.rules.yml"
DASHBOARD = MONITORING / "grafana" / "dashboards" / "convq.json"

Samples = dict[tuple[str, ...], float]


def samples(http: httpx.Client) -> Samples:
    """Return each sample by its name and the values of its labels, in the order of their names."""
    text = http.get("/metrics").text
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_jobs_are_counted_and_timed(
    http: httpx.Client, submit: Callable[..., dict[str, Any]], finish: Callable[..., None]
) -> None:
    for state in ("succeeded", "succeeded", "failed"):
        finish(submit()["id"], state=state)
    submit(priority="batch")
    found = samples(http)
    assert found["convq_jobs_submitted_total", "convolve"] == 4
    assert found["convq_jobs_ended_total", "convolve", "succeeded"] == 2
    assert found["convq_attempts_total", "failed"] == 1
    assert found["convq_job_ran_seconds_bucket", "convolve", "+Inf"] == 3
    assert found["convq_queue_jobs", "batch", "ready"] == 1
    assert found["convq_queue_ready_jobs", "auto"] == 1
    age = found["convq_queue_priority_oldest_seconds", "batch"]
    assert 0 < age < 60
    assert found["convq_queue_oldest_seconds",] >= age
    assert found["convq_jobs_retried_total",] == 0


def test_buckets_hold_what_is_not_longer(http: httpx.Client, client: redis.Redis) -> None:
    microseconds = [1, 2, 3, 1000, 10**7, 10**9]
    Statistics(client).add(
        {f"computed:direct:{bucket(time)}": 1 for time in microseconds}
        | {"computed_us:direct": sum(microseconds)}
    )
    found = samples(http)
    bounds = {
        float(labels[1]): value
        for (name, *labels), value in found.items()
        if name == "convq_plan_seconds_bucket"
    }
    for bound, count in bounds.items():
        assert count == sum(time * 1e-6 <= bound * (1 + 1e-9) for time in microseconds), bound
    assert found["convq_plan_seconds_sum", "direct"] == pytest.approx(sum(microseconds) * 1e-6)


def test_workers_and_gpus(http: httpx.Client, client: redis.Redis, settings: Settings) -> None:
    gpu = {"name": "H", "utilisation": 0.5, "memory": 7, "memory_total": 9, "temperature": None}
    vitals = {"utilisation": None, "memory": 5, "temperature": 61.5, "gpus": [gpu | {"watts": 99}]}
    WorkerStore(client, settings).beat("w1", {"vitals": vitals})
    WorkerStore(client, settings).beat("w2", {})
    silent = {"name": "a GPU that does not answer"} | dict.fromkeys([*gpu, "watts"][1:])
    lost = {"vitals": vitals | {"gpus": [silent]}, "gpu": {"name": "H"}, "fault": "it is lost"}
    WorkerStore(client, settings).beat("w3", lost)
    found = samples(http)
    assert found["convq_workers", "cpu", "up"] == 2
    assert found["convq_workers", "gpu", "out"] == 1
    assert [found["convq_gpu_up", "0", "H", name] for name in ("w1", "w3")] == [1, 0]
    assert found["convq_worker_memory_bytes", "w1"] == 5
    assert found["convq_worker_temperature_celsius", "w1"] == 61.5
    assert found["convq_gpu_power_watts", "0", "H", "w1"] == 99
    told = {name for name, *_ in found}
    # What is not told is left out rather than 0.
    assert not told & {"convq_worker_utilisation_ratio", "convq_gpu_temperature_celsius"}


def test_the_memory_of_redis_and_its_limit(http: httpx.Client, client: redis.Redis) -> None:
    found = samples(http)
    assert found["convq_redis_memory_bytes",] > 0
    assert ("convq_redis_memory_limit_bytes",) not in found
    client.config_set("maxmemory", 1 << 30)
    try:
        assert samples(http)["convq_redis_memory_limit_bytes",] == 1 << 30
    finally:
        client.config_set("maxmemory", 0)


def names_of(text: str) -> set[str]:
    """Return the metrics that a text names, without what Prometheus appends to histograms."""
    found = set(re.findall(r"\bconvq_[a-z_]+[a-z]\b", text))
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in found}


def test_every_metric_is_documented_and_used_as_it_is_called(http: httpx.Client) -> None:
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", http.get("/metrics").text, re.MULTILINE))
    exposed = {name for name in types if not name.endswith("_created")}
    documented = names_of((ROOT / "docs" / "metrics.md").read_text())
    assert documented == exposed
    for path in (RULES, DASHBOARD):
        assert names_of(path.read_text()) <= exposed, path
    # Nothing is watched by nobody.
    assert exposed - names_of(DASHBOARD.read_text()) == set()


def test_the_dashboard_is_one() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                 for y in range(at["y"], at["y"] + at["h"])}  # fmt: skip
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["description"]
            assert all(target["expr"] for target in panel["targets"])
            assert panel["datasource"]["uid"] == "prometheus"


def test_every_alert_says_what_to_do() -> None:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    names = [rule["alert"] for rule in group["rules"]]
    assert len(names) == len(set(names))
    for rule in group["rules"]:
        assert rule["expr"]
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"].keys() == {"summary", "action"}
