"""What is refused before it is queued."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import redis

from core.conv.device import cpu, gpu
from core.settings import Settings
from core.store.artifacts import ArtifactStore
from core.store.garbage import Garbage
from core.store.jobs import JobStore
from core.store.workers import WorkerStore


def body_for(http: httpx.Client, npy: Callable[[Any], bytes]) -> dict[str, Any]:
    array = npy(np.zeros((64, 64), np.float32))
    digest = http.post("/v1/artifacts", content=array).json()["digest"]
    return {"kind": "convolve", "inputs": [digest], "kernel": {"preset": "box"}}


def test_a_full_queue(
    http_with: Callable[..., httpx.Client], npy: Callable[[Any], bytes], jobs: JobStore
) -> None:
    http = http_with(max_queued=3)
    body = body_for(http, npy)
    first = http.post("/v1/jobs", json=body, headers={"Idempotency-Key": "k"})
    answer = http.post("/v1/jobs/batch", json={"jobs": [{"job": body}] * 3}).json()["jobs"]
    assert [entry["status"] for entry in answer] == [202, 202, 429]
    assert answer[2]["problem"]["code"] == "queue_full"
    refused = http.post("/v1/jobs", json=body)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert "3" in refused.json()["accepted"]
    assert len(jobs.page().jobs) == 3
    again = http.post("/v1/jobs", json=body, headers={"Idempotency-Key": "k"})
    assert again.json()["id"] == first.json()["id"]
    jobs.claim(worker="w", pid=1, lease=60)
    assert http.post("/v1/jobs", json=body).status_code == 202


def test_a_full_queue_of_a_tenant(
    http_with: Callable[..., httpx.Client], npy: Callable[[Any], bytes], jobs: JobStore
) -> None:
    http = http_with(max_queued_of_tenant=1)
    body = body_for(http, npy)
    jobs.of("others").submit(kind="convolve", spec="{}")
    assert http.post("/v1/jobs", json=body).status_code == 202
    refused = http.post("/v1/jobs", json=body)
    assert (refused.status_code, refused.json()["code"]) == (429, "queue_full")
    assert "tenant default" in refused.json()["detail"]


def test_a_job_that_no_worker_has_the_memory_for(
    http: httpx.Client, npy: Callable[[Any], bytes], client: redis.Redis, settings: Settings
) -> None:
    body = body_for(http, npy)
    needed = http.post("/v1/plans", json=body).json()["plan"]["bytes"]
    workers = WorkerStore(client, settings)
    workers.beat("small", {"memory": needed - 1})
    for path in ("/v1/jobs", "/v1/plans"):
        refused = http.post(path, json=body)
        assert refused.status_code == 413
        assert str(needed) in refused.json()["given"]
        assert "small" in refused.json()["accepted"]
    workers.beat("large", {"memory": needed})
    assert http.post("/v1/jobs", json=body).status_code == 202


def test_a_job_that_no_gpu_has_the_memory_for(
    http: httpx.Client, npy: Callable[[Any], bytes], client: redis.Redis, settings: Settings
) -> None:
    body = body_for(http, npy) | {"device": "gpu"}
    workers = WorkerStore(client, settings)
    workers.beat("processor", {"memory": 1})
    # It runs no such jobs, and what the next worker will have is not known.
    assert http.post("/v1/jobs", json=body).status_code == 202
    about = {"device": vars(cpu()), "memory": 1 << 40, "gpu": vars(gpu("H"))}
    workers.beat("w1", about | {"gpu_memory": 1 << 28})
    needed = http.post("/v1/plans", json=body).json()["plan"]["bytes"]
    workers.beat("w1", about | {"gpu_memory": needed - 1})
    refused = http.post("/v1/jobs", json=body)
    assert (refused.status_code, str(needed) in refused.json()["given"]) == (413, True)
    assert "w1" in refused.json()["accepted"]


def test_no_room_for_more_bytes(
    http_with: Callable[..., httpx.Client],
    npy: Callable[[Any], bytes],
    jobs: JobStore,
    client: redis.Redis,
    artifacts: ArtifactStore,
) -> None:
    data = npy(np.zeros((8, 8), np.float32))
    http = http_with(max_stored_of_tenant=len(data))
    http.get("/v1/queue").raise_for_status()
    artifacts.of("others").put(b"x" * 100_000, "application/octet-stream")
    digest = http.post("/v1/artifacts", content=data).json()["digest"]
    body = {"kind": "convolve", "inputs": [digest], "kernel": {"preset": "box"}}
    for refused in (
        http.post("/v1/artifacts", content=b"more"),
        http.post("/v1/artifacts", content=iter([b"mo", b"re"])),
        http.post("/v1/jobs", json=body),
    ):
        assert (refused.status_code, refused.json()["code"]) == (507, "storage_full")
        assert str(len(data)) in refused.json()["accepted"]
    assert jobs.page().jobs == []
    time.sleep(0.002)
    Garbage(artifacts, client).sweep(age=0.001)
    assert not client.exists("convq:stored")
    assert http.post("/v1/artifacts", content=b"more").status_code == 201
