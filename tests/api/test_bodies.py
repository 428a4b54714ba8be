"""What a job was asked to do can be read and submitted again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from core.store.jobs import JobStore

Submit = Callable[..., dict[str, Any]]


def test_the_body_of_a_job_gives_the_same_job(
    http: httpx.Client, submit: Submit, jobs: JobStore
) -> None:
    job = submit(label="once more", boundary="wrap")
    body = http.get(f"/v1/jobs/{job['id']}/body").json()
    assert (body["kind"], body["label"], body["boundary"]) == ("convolve", "once more", "wrap")
    assert body["cval"] == 0
    again = http.post("/v1/jobs", json=body).json()
    assert again["id"] != job["id"]
    assert jobs.get(again["id"]).spec == jobs.get(job["id"]).spec


def test_a_body_that_is_too_large_for_a_record_is_read_too(
    http: httpx.Client, submit: Submit, jobs: JobStore
) -> None:
    taps = [[float(n)] for n in range(2000)]
    job = submit(kernel={"values": taps})
    assert jobs.get(job["id"]).spec.startswith("sha256:")
    assert http.get(f"/v1/jobs/{job['id']}/body").json()["kernel"]["values"] == taps


def test_a_job_that_is_not_there_has_none(http: httpx.Client) -> None:
    answer = http.get(f"/v1/jobs/{'0' * 20}/body")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
