"""Many jobs in one request, each for itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
import redis

from api.producer import Producer
from core.store.jobs import JobStore


@pytest.fixture
def digest(http: httpx.Client, npy: Callable[[Any], bytes]) -> str:
    array = npy(np.zeros((4, 4), np.float32))
    return str(http.post("/v1/artifacts", content=array).json()["digest"])


def box(digest: str, **fields: Any) -> dict[str, Any]:
    return {"kind": "convolve", "inputs": [digest], "kernel": {"preset": "box"}} | fields


def post(http: httpx.Client, *items: Any) -> Any:
    response = http.post("/v1/jobs/batch", json={"jobs": list(items)})
    assert response.status_code == 200, response.text
    return response.json()["jobs"]


def test_each_job_has_its_own_answer(http: httpx.Client, digest: str, jobs: JobStore) -> None:
    unknown = "sha256:" + "0" * 64
    bodies = [
        box(digest, label="first", priority="batch"),
        box(digest, mode="sam"),
        box(unknown),
        box(digest, output="png", mode="valid"),
        {"kind": "predict", "inputs": [digest], "model": "nothing"},
        7,
        box(digest, label="last"),
    ]
    found = post(http, *({"job": body} for body in bodies))
    assert [entry["status"] for entry in found] == [202, 422, 422, 202, 422, 422, 202]
    assert [job.label for job in jobs.page().jobs if job.label] == ["last", "first"]
    assert (found[0]["job"]["priority"], found[0]["job"]["state"]) == ("batch", "queued")
    assert found[0]["problem"] is None
    for body, entry in zip(bodies, found, strict=True):
        alone = http.post("/v1/jobs", json=body)
        assert entry["status"] == alone.status_code
        if entry["problem"]:
            told = {key: value for key, value in entry["problem"].items() if value is not None}
            assert told == {k: v for k, v in alone.json().items() if v is not None}
        else:
            plan = http.get(entry["job"]["links"]["self"]).json()["plan"]
            assert plan == alone.json()["plan"]


def test_keys_hold_for_each_job(http: httpx.Client, digest: str, jobs: JobStore) -> None:
    items = [{"job": box(digest), "idempotency_key": key} for key in ("a", "b", "a")]
    first, second = post(http, *items), post(http, *items)
    assert [entry["replayed"] for entry in first] == [False, False, True]
    assert [entry["replayed"] for entry in second] == [True] * 3
    ids = [[entry["job"]["id"] for entry in found] for found in (first, second)]
    assert ids[0] == ids[1]
    assert len(jobs.page().jobs) == 2
    (refused,) = post(http, {"job": box(digest, mode="full"), "idempotency_key": "a"})
    assert (refused["status"], refused["problem"]["field"]) == (422, "Idempotency-Key")


def test_a_batch_is_recorded_in_one_round_trip(
    http: httpx.Client, digest: str, client: redis.Redis
) -> None:
    def scripts() -> int:
        stats = client.info("commandstats")
        return sum(
            stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("evalsha", "eval")
        )

    post(http, {"job": box(digest)})
    before = scripts()
    post(http, *[{"job": box(digest)}] * 100)
    assert scripts() == before + 1


def test_the_first_jobs_of_a_large_batch_begin_before_the_last_are_recorded(
    http: httpx.Client, digest: str, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken_at = []

    async def send(_: Producer, count: int) -> None:
        # While this waits, no further part of the batch is begun.
        woken_at.append((count, jobs.counts()["queued"]))

    monkeypatch.setattr(Producer, "send", send)
    found = post(http, *({"job": box(digest, label=str(number))} for number in range(250)))
    assert [entry["job"]["label"] for entry in found] == [str(number) for number in range(250)]
    assert woken_at[0][0] == 16
    assert woken_at[0][1] < 250 == woken_at[-1][1]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"jobs": []}, 422, "jobs"),
        ({}, 422, "jobs"),
        ({"jobs": [{"jobb": {}}]}, 422, "jobs.0.job"),
        ({"jobs": [{"job": {}, "idempotency_key": "a b"}]}, 422, "jobs.0.idempotency_key"),
        ({"jobs": [{"job": {}}] * 1001}, 413, "jobs"),
        ({"jobs": [{"job": {"inputs": [""] * 10_001}}]}, 413, "inputs"),
    ],
)
def test_what_is_no_batch_is_refused_as_a_whole(
    http: httpx.Client, body: Any, status: int, field: str
) -> None:
    response = http.post("/v1/jobs/batch", json=body)
    assert (response.status_code, response.json()["field"]) == (status, field)
