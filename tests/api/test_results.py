from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from core.store.jobs import JobStore

Submit = Callable[..., dict[str, Any]]
Finish = Callable[..., None]


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(array))
    return file.getvalue()


ONE, TWO = npy([[1.0, 2.0]]), npy(np.zeros((2, 3), np.uint8))


def test_results_in_order_with_failures(http: httpx.Client, submit: Submit, finish: Finish) -> None:
    job_id = submit()["id"]
    failure = {
        "input": "sha256:" + "1" * 64,
        "name": "b.png",
        "code": "unsupported_media",
        "message": "broken",
    }
    finish(job_id, results={"z.npy": ONE, "a.npy": TWO}, failures=[failure])
    answer = http.get(f"/v1/jobs/{job_id}/results").json()
    assert [result["name"] for result in answer["results"]] == ["z.npy", "a.npy"]
    assert answer["results"][1]["shape"] == [2, 3]
    assert answer["results"][1]["dtype"] == "uint8"
    assert answer["results"][1]["media_type"] == "application/x-npy"
    (failed,) = answer["failures"]
    assert {key: failed[key] for key in failure} == failure


def test_one_result(http: httpx.Client, submit: Submit, finish: Finish) -> None:
    job_id = submit()["id"]
    finish(job_id, results={"kätzchen (1).npy": ONE, "a.npy": TWO})
    path = f"/v1/jobs/{job_id}/results/kätzchen (1).npy"
    response = http.get(path)
    assert response.content == ONE
    disposition = response.headers["Content-Disposition"]
    assert disposition == "attachment; filename*=UTF-8''k%C3%A4tzchen%20%281%29.npy"
    assert http.get(path, headers={"Accept": "application/json"}).json() == [[1, 2]]
    assert http.get(path, headers={"Range": "bytes=1-5"}).content == b"NUMPY"
    digest = http.head(path).headers["ETag"].strip('"')
    assert http.get(f"/v1/artifacts/{digest}").content == ONE
    picture = http.get(f"/v1/jobs/{job_id}/results/a.npy", headers={"Accept": "image/png"})
    assert picture.headers["Content-Disposition"] == 'inline; filename="a.png"'


def test_an_unknown_result(http: httpx.Client, submit: Submit, finish: Finish) -> None:
    job_id = submit()["id"]
    finish(job_id, results={"a.npy": ONE})
    problem = http.get(f"/v1/jobs/{job_id}/results/b.npy").json()
    assert (problem["status"], problem["field"], problem["accepted"]) == (404, "name", ["a.npy"])
    assert http.get(f"/v1/jobs/{'0' * 20}/results").status_code == 404
    assert http.get(f"/v1/jobs/{'0' * 20}/results/a").status_code == 404


@pytest.mark.parametrize("state", ["queued", "running"])
def test_before_the_end(http: httpx.Client, submit: Submit, jobs: JobStore, state: str) -> None:
    job_id = submit()["id"]
    if state == "running":
        jobs.claim(worker="w", pid=1, lease=30)
    for path in (f"/v1/jobs/{job_id}/results", f"/v1/jobs/{job_id}/results/a.npy"):
        response = http.get(path)
        assert (response.status_code, response.json()["code"]) == (409, "not_ready")
        assert response.json()["given"] == state
        assert int(response.headers["Retry-After"]) > 0


def test_a_job_that_was_cancelled_in_the_queue_has_none(http: httpx.Client, submit: Submit) -> None:
    job_id = submit()["id"]
    http.post(f"/v1/jobs/{job_id}/cancel")
    assert http.get(f"/v1/jobs/{job_id}/results").json() == {"results": [], "failures": []}


def test_what_is_left_of_a_failed_job(http: httpx.Client, submit: Submit, finish: Finish) -> None:
    job_id = submit()["id"]
    error = {"code": "all_items_failed", "message": "none"}
    failure = {"input": None, "name": "x", "code": "c", "message": "m"}
    finish(job_id, "failed", failures=[failure], error=error)
    assert http.get(f"/v1/jobs/{job_id}/results").json()["failures"][0]["name"] == "x"
