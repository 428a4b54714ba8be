"""Holding the queue, and taking workers out of service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import redis

from core.settings import Settings
from core.store.jobs import JobStore
from core.store.workers import WorkerStore

Submit = Callable[..., dict[str, Any]]


@pytest.fixture
def workers(client: redis.Redis, settings: Settings) -> WorkerStore:
    return WorkerStore(client, settings)


def claim(jobs: JobStore, worker: str = "worker-1") -> list[str]:
    return [job.id for job in jobs.claim(worker=worker, pid=1, lease=60)]


def test_while_the_queue_is_paused_jobs_are_accepted_and_none_begins(
    http: httpx.Client, submit: Submit, jobs: JobStore
) -> None:
    assert http.get("/v1/queue").json()["paused"] is False
    for _ in range(2):
        assert http.post("/v1/queue/pause").json()["paused"] is True
    job = submit()["id"]
    assert claim(jobs) == []
    assert http.get("/v1/queue").json()["depth"]["queued"] == 1
    for _ in range(2):
        assert http.post("/v1/queue/resume").json()["paused"] is False
    assert claim(jobs) == [job]


def test_jobs_that_came_in_a_pause_are_woken_for_by_its_end(
    http: httpx.Client, submit: Submit
) -> None:
    http.post("/v1/queue/pause")
    submit()
    before = http.get("/v1/queue").json()["messages"]
    assert http.post("/v1/queue/resume").json()["messages"] == max(1, before)


def test_a_drained_worker_begins_nothing_until_it_is_resumed(
    http: httpx.Client, submit: Submit, jobs: JobStore, workers: WorkerStore
) -> None:
    for name in ("worker-1", "worker-2"):
        workers.beat(name, {})
    for _ in range(2):
        answer = http.post("/v1/workers/worker-1/drain")
        assert (answer.status_code, answer.json()["state"]) == (200, "draining")
    first, second = submit()["id"], submit()["id"]
    assert claim(jobs) == []
    assert claim(jobs, "worker-2") == [first]
    assert http.post("/v1/workers/worker-1/resume").json()["state"] == "up"
    assert claim(jobs) == [second]


def test_what_a_drained_worker_runs_may_go_on_for_a_while(
    http: httpx.Client, submit: Submit, jobs: JobStore, workers: WorkerStore, client: Any
) -> None:
    workers.beat("worker-1", {})
    submit()
    (job,) = claim(jobs)
    http.post("/v1/workers/worker-1/drain")
    assert jobs.renew(job, 1, lease=60) == "ok"
    client.zincrby("convq:drains", -11_000, "worker-1")  # as if CONVQ_DRAIN seconds had passed
    assert jobs.renew(job, 1, lease=60) == "drain"


@pytest.mark.parametrize("action", ["drain", "resume"])
def test_a_worker_that_nobody_has_seen(
    http: httpx.Client, workers: WorkerStore, action: str
) -> None:
    workers.beat("worker-1", {})
    answer = http.post(f"/v1/workers/worker-2/{action}")
    assert answer.status_code == 404
    assert answer.json()["accepted"] == ["worker-1"]
    assert not workers.drains("worker-2")
