from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import httpx
import numpy as np
import pytest
import redis

from core import queue
from core.conv.device import cpu, gpu
from core.settings import Settings
from core.store import documents
from core.store.artifacts import ArtifactStore
from core.store.jobs import JobStore
from core.store.workers import WorkerStore

UNKNOWN_JOB = "0" * 20
UNKNOWN_DIGEST = "sha256:" + "0" * 64

Submit = Callable[..., dict[str, Any]]
Finish = Callable[..., None]


def test_submitting(
    http: httpx.Client,
    body: dict[str, Any],
    jobs: JobStore,
    artifacts: ArtifactStore,
    client: redis.Redis,
    settings: Settings,
) -> None:
    response = http.post("/v1/jobs", json=body | {"label": "tour"})
    assert response.status_code == 202
    assert int(response.headers["Retry-After"]) > 0
    assert "Preference-Applied" not in response.headers
    job = response.json()
    assert response.headers["Location"] == job["links"]["self"] == f"/v1/jobs/{job['id']}"
    assert (job["state"], job["kind"], job["label"]) == ("queued", "convolve", "tour")
    assert job["progress"] == {"done": 0, "total": 1, "failed": 0, "stage": ""}
    assert job["attempts"] == []
    assert job["error"] is None
    assert datetime.fromisoformat(job["created"]).utcoffset() is not None
    (group,) = job["plan"]["groups"]
    assert group["chosen"] in {candidate["algorithm"] for candidate in group["candidates"]}
    assert http.get(job["links"]["self"]).json()["id"] == job["id"]
    assert queue.depth(client, settings) == 1
    record = jobs.get(job["id"])
    assert documents.read(artifacts, record.spec)["kernel"] == {"preset": "box", "size": 3}


def test_the_plan_names_the_worker_that_it_is_for(
    http: httpx.Client, body: dict[str, Any], client: redis.Redis, settings: Settings
) -> None:
    alone = http.post("/v1/plans", json=body).json()["plan"]["device"]
    assert alone == {"kind": "cpu", "name": cpu().name, "worker": None}
    # It may have a later convq, whose devices have more constants.
    about = {"device": vars(cpu()) | {"name": "abacus", "beads": 7}}
    WorkerStore(client, settings).beat("worker-7", about)
    planned = http.post("/v1/plans", json=body).json()["plan"]["device"]
    assert planned == {"kind": "cpu", "name": "abacus", "worker": "worker-7"}
    # A worker with a GPU takes part where it may: here it is so near that everything is done there.
    about |= {"gpu": vars(gpu("near")) | {"call": -1.0}}
    WorkerStore(client, settings).beat("worker-8", about)
    for wish, kind, name in (("auto", "gpu", 8), ("gpu", "gpu", 8), ("cpu", "cpu", 7)):
        plan = http.post("/v1/plans", json=body | {"device": wish}).json()["plan"]
        assert plan["device"]["kind"] == kind
        assert plan["device"]["worker"] == f"worker-{name}"
        assert ("of transfers" in plan["groups"][0]["why"]) == (kind == "gpu")
    # Jobs wait for a GPU that nobody has yet.
    WorkerStore(client, settings).forget("worker-8")
    plan = http.post("/v1/plans", json=body | {"device": "gpu"}).json()["plan"]
    assert plan["device"] == {"kind": "gpu", "name": "a GPU", "worker": None}


def test_what_only_a_gpu_computes_waits_for_one(
    http: httpx.Client, body: dict[str, Any], client: redis.Redis, settings: Settings
) -> None:
    workers = WorkerStore(client, settings)
    about = {"device": vars(cpu()), "gpu": vars(gpu("H", has_cudnn=True))}
    workers.beat("near", about)
    bank = {"values": [[[1.0, 2.0]], [[3.0, 4.0]]]}
    body |= {"kernel": bank, "method": "cudnn", "output": "npy"}
    made = http.post("/v1/jobs", json=body)
    assert made.status_code == 202, made.text
    workers.forget("near")
    job = http.get(made.headers["Location"]).json()
    assert job["waits_for"] == "a worker with a GPU"
    refused = http.post("/v1/jobs", json=body | {"device": "cpu"})
    assert (refused.status_code, refused.json()["code"]) == (422, "algorithm_refused")


def test_trainings_are_planned_for_a_gpu_that_nobody_has_yet(
    http: httpx.Client, upload: Callable[[bytes], str]
) -> None:
    file = io.BytesIO()
    np.savez(file, x=np.zeros((20, 6, 6), np.uint8), y=np.arange(20) % 2)
    net = {"input": [1, 6, 6], "layers": [{"layer": "flatten"}, {"layer": "dense", "features": 2}]}
    train = {
        "kind": "train",
        "device": "gpu",
        "data": upload(file.getvalue()),
        "model": net,
        "options": {"epochs": 2, "batch": 8, "precision": "mixed"},
    }
    plan = http.post("/v1/plans", json=train).json()["plan"]
    assert plan["device"] == {"kind": "gpu", "name": "a GPU", "worker": None}
    sweep = {"kind": "sweep", "train": train, "vary": {"options.batch": [4, 8]}}
    answer = http.post("/v1/jobs", json=sweep)
    assert answer.status_code == 202
    assert answer.json()["plan"]["candidates"] == 2


def test_a_job_for_a_kind_of_device_says_what_it_waits_for(
    http: httpx.Client, body: dict[str, Any], client: redis.Redis, settings: Settings
) -> None:
    workers = WorkerStore(client, settings)
    beats = {"cpu": {"device": vars(cpu())}, "gpu": {"device": vars(cpu()), "gpu": vars(gpu("H"))}}
    beats["broken"] = beats["gpu"] | {"fault": "it burns"}
    told = {"cpu": "a worker without a GPU", "gpu": "a worker with a GPU"}
    made = {on: http.post("/v1/jobs", json=body | {"device": on}).json()["id"] for on in told}

    def waits_for() -> dict[str, str | None]:
        found = {on: http.get(f"/v1/jobs/{job}").json() for on, job in made.items()}
        assert {on: job["device"] for on, job in found.items()} == {on: on for on in told}
        return {on: job["waits_for"] for on, job in found.items()}

    assert waits_for() == told
    workers.beat("w", beats["broken"])
    assert waits_for() == told
    for on in told:
        workers.beat("w", beats[on])
        assert waits_for() == told | {on: None}


def test_a_device_that_the_work_cannot_be_done_on_is_refused(
    http: httpx.Client, picture: str
) -> None:
    for body in (
        {"kind": "series", "inputs": [picture], "device": "gpu"},
        {"kind": "convolve", "inputs": [picture], "kernel": {"preset": "box"}, "device": "tpu"},
    ):
        refused = http.post("/v1/plans", json=body).json()
        assert (refused["code"], refused["field"]) == ("invalid_input", "device"), refused
        assert "cpu" in refused["accepted"]


def test_a_large_job_keeps_its_documents_outside_redis(
    http: httpx.Client,
    body: dict[str, Any],
    picture: str,
    client: redis.Redis,
    jobs: JobStore,
    artifacts: ArtifactStore,
) -> None:
    inputs = [{"artifact": picture, "name": f"{number}.npy"} for number in range(500)]
    job = http.post("/v1/jobs", json=body | {"inputs": inputs}).json()
    record = jobs.get(job["id"])
    assert documents.is_artifact(record.spec)
    assert client.smismember(f"convq:job:{job['id']}:artifacts", [record.spec, picture]) == [1, 1]
    assert len(documents.read(artifacts, record.spec)["inputs"]) == 500
    assert http.get(job["links"]["self"]).json()["plan"]["groups"][0]["inputs"] == 500


class TestBadBodies:
    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"kind": "paint"}, "kind"),
            ({"mode": "sam"}, "mode"),
            ({"surprise": 1}, "surprise"),
            ({"inputs": []}, "inputs"),
            ({"inputs": [{"artifact": "abc"}]}, "inputs.0.artifact"),
            ({"kernel": {"preset": "gaussian", "sigma": -1}}, "kernel.sigma"),
            ({"kernel": {"preset": "gaussian", "sigmas": 1}}, "kernel.sigmas"),
            ({"kernel": {"values": [[1, 2], [3]]}}, "kernel.values"),
            ({"kernel": 7}, "kernel"),
            ({"axes": [False]}, "axes.0"),
            ({"cval": "1"}, "cval"),
            ({"label": "x" * 201}, "label"),
        ],
    )
    def test_the_field_is_named(
        self, http: httpx.Client, body: dict[str, Any], fields: dict[str, Any], field: str
    ) -> None:
        for path in ("/v1/jobs", "/v1/plans"):
            response = http.post(path, json=body | fields)
            problem = response.json()
            assert (response.status_code, problem["code"]) == (422, "invalid_input")
            assert problem["field"] == field
            assert problem["errors"][0]["field"] == field
            assert field in problem["detail"]

    def test_what_was_given_and_what_is_accepted(
        self, http: httpx.Client, body: dict[str, Any]
    ) -> None:
        problem = http.post("/v1/jobs", json=body | {"mode": "sam"}).json()
        assert problem["given"] == "sam"
        assert sorted(problem["accepted"]) == ["full", "same", "valid"]
        preset = http.post("/v1/jobs", json=body | {"kernel": {"preset": "blur"}}).json()
        assert (preset["field"], preset["given"]) == ("kernel.preset", "blur")
        assert "gaussian" in preset["accepted"]
        sigma = {"kernel": {"preset": "gaussian", "sigma": -1}}
        problem = http.post("/v1/jobs", json=body | sigma).json()
        assert (problem["given"], problem["accepted"]) == (-1, "0.01 or more")

    def test_a_missing_field(self, http: httpx.Client, body: dict[str, Any]) -> None:
        del body["kernel"]
        assert http.post("/v1/jobs", json=body).json()["field"] == "kernel"

    def test_unknown_artifacts(
        self, http: httpx.Client, body: dict[str, Any], picture: str
    ) -> None:
        wrong = http.post("/v1/jobs", json=body | {"inputs": [picture, UNKNOWN_DIGEST]})
        assert wrong.status_code == 422
        assert wrong.json()["code"] == "artifact_not_found"
        assert wrong.json()["field"] == "inputs.1"
        assert wrong.json()["given"] == UNKNOWN_DIGEST
        kernel = {"kernel": {"artifact": UNKNOWN_DIGEST}}
        assert http.post("/v1/jobs", json=body | kernel).json()["field"] == "kernel.artifact"

    def test_an_input_that_is_no_array(
        self, http: httpx.Client, body: dict[str, Any], upload: Callable[[bytes], str]
    ) -> None:
        response = http.post("/v1/jobs", json=body | {"inputs": [upload(b"hello")]})
        assert response.status_code == 422

    def test_too_many_inputs(
        self,
        http_with: Callable[..., httpx.Client],
        body: dict[str, Any],
        picture: str,
    ) -> None:
        http = http_with(max_inputs=3)
        assert http.post("/v1/jobs", json=body | {"inputs": [picture] * 3}).status_code == 202
        response = http.post("/v1/jobs", json=body | {"inputs": [picture] * 4})
        assert (response.status_code, response.json()["field"]) == (413, "inputs")

    def test_nothing_was_recorded(self, http: httpx.Client, body: dict[str, Any]) -> None:
        http.post("/v1/jobs", json=body | {"mode": "sam"})
        assert http.get("/v1/jobs").json() == {"jobs": [], "next": None}


class TestIdempotency:
    def test_the_same_request_again(self, http: httpx.Client, body: dict[str, Any]) -> None:
        headers = {"Idempotency-Key": "k1"}
        first = http.post("/v1/jobs", json=body, headers=headers)
        again = http.post("/v1/jobs", json=dict(reversed(body.items())), headers=headers)
        assert first.json()["id"] == again.json()["id"]
        assert again.status_code == 202
        assert "Idempotent-Replayed" not in first.headers
        assert again.headers["Idempotent-Replayed"] == "true"

    def test_another_request(self, http: httpx.Client, body: dict[str, Any]) -> None:
        headers = {"Idempotency-Key": "k1"}
        http.post("/v1/jobs", json=body, headers=headers)
        other = http.post("/v1/jobs", json=body | {"mode": "full"}, headers=headers)
        assert (other.status_code, other.json()["field"]) == (422, "Idempotency-Key")

    @pytest.mark.parametrize("key", ["", "x" * 256, "two words", "caf\xe9"])
    def test_bad_keys(self, http: httpx.Client, body: dict[str, Any], key: str) -> None:
        headers = {"Idempotency-Key": key.encode("latin-1")}
        response = http.post("/v1/jobs", json=body, headers=headers)
        assert response.status_code == 422
        assert response.json()["field"] == "Idempotency-Key"

    def test_fifty_at_once_make_one_job(
        self, url: str, http: httpx.Client, body: dict[str, Any], client: redis.Redis
    ) -> None:
        barrier = threading.Barrier(50)

        def post(_: int) -> httpx.Response:
            barrier.wait()
            return httpx.post(
                f"{url}/v1/jobs", json=body, headers={"Idempotency-Key": "k"}, timeout=60
            )

        with ThreadPoolExecutor(50) as pool:
            responses = list(pool.map(post, range(50)))
        assert {response.status_code for response in responses} == {202}
        assert len({response.json()["id"] for response in responses}) == 1
        replayed = ["Idempotent-Replayed" in response.headers for response in responses]
        assert replayed.count(False) == 1
        assert len(http.get("/v1/jobs").json()["jobs"]) == 1
        assert client.zcard("convq:jobs") == 1


class TestWaiting:
    def test_until_the_job_ends(
        self, http: httpx.Client, body: dict[str, Any], jobs: JobStore, finish: Finish
    ) -> None:
        def work() -> None:
            while not (page := jobs.page().jobs):
                time.sleep(0.01)
            finish(page[0].id)

        worker = threading.Thread(target=work)
        worker.start()
        start = time.monotonic()
        response = http.post("/v1/jobs", json=body, headers={"Prefer": "wait=20"})
        worker.join()
        assert time.monotonic() - start < 10
        assert (response.status_code, response.json()["state"]) == (200, "succeeded")
        assert response.headers["Preference-Applied"] == "wait"
        assert "Retry-After" not in response.headers

    def test_no_longer_than_asked(self, http: httpx.Client, body: dict[str, Any]) -> None:
        start = time.monotonic()
        response = http.post("/v1/jobs", json=body, headers={"Prefer": "respond-async, wait=1"})
        assert 0.9 < time.monotonic() - start < 20
        assert (response.status_code, response.json()["state"]) == (202, "queued")
        assert response.headers["Preference-Applied"] == "wait"

    @pytest.mark.parametrize("prefer", ["wait=soon", "wait=-1", "await=5", "return=minimal", ""])
    def test_what_is_not_understood_is_ignored(
        self, http: httpx.Client, body: dict[str, Any], prefer: str
    ) -> None:
        response = http.post("/v1/jobs", json=body, headers={"Prefer": prefer})
        assert response.status_code == 202
        assert "Preference-Applied" not in response.headers


class TestReading:
    def test_an_ended_job(self, http: httpx.Client, submit: Submit, finish: Finish) -> None:
        job_id = submit()["id"]
        finish(job_id)
        job = http.get(f"/v1/jobs/{job_id}").json()
        assert job["state"] == "succeeded"
        (attempt,) = job["attempts"]
        assert (attempt["number"], attempt["worker"], attempt["outcome"]) == (
            1,
            "worker-1",
            "succeeded",
        )
        assert job["timings"]["stages"] == {"convolve": 0.5}
        assert job["timings"]["queued"] >= 0
        assert job["timings"]["ran"] >= 0
        assert job["created"] <= job["started"] <= job["finished"]

    def test_a_failed_job_says_why(
        self, http: httpx.Client, submit: Submit, finish: Finish
    ) -> None:
        job_id = submit()["id"]
        finish(job_id, "failed", error={"code": "internal", "message": "a defect"})
        job = http.get(f"/v1/jobs/{job_id}").json()
        assert job["state"] == "failed"
        assert (job["error"]["code"], job["error"]["message"]) == ("internal", "a defect")

    def test_unknown_and_malformed_ids(self, http: httpx.Client) -> None:
        unknown = http.get(f"/v1/jobs/{UNKNOWN_JOB}")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
        for malformed in ("nonsense", f"{UNKNOWN_JOB}:events", "%00"):
            response = http.get(f"/v1/jobs/{malformed}")
            assert (response.status_code, response.json()["field"]) == (404, "id")
            assert response.json()["accepted"].startswith('text like "')


class TestListing:
    def test_pages(self, http: httpx.Client, submit: Submit) -> None:
        made = [submit()["id"] for _ in range(5)]
        seen: list[str] = []
        path = "/v1/jobs?limit=2&state=queued"
        pages = 0
        while path:
            response = http.get(path)
            jobs = response.json()["jobs"]
            assert all("plan" not in job and "attempts" not in job for job in jobs)
            seen += [job["id"] for job in jobs]
            pages += 1
            path = response.links["next"]["url"] if response.json()["next"] else ""
            assert bool(path) == ("next" in response.links)
        assert pages == 3
        assert sorted(seen) == sorted(made)
        assert seen == sorted(seen, reverse=True)

    def test_head(self, http: httpx.Client, submit: Submit) -> None:
        for _ in range(3):
            submit()
        for query in ("", "?limit=2", "?state=failed"):
            got, headed = http.get(f"/v1/jobs{query}"), http.head(f"/v1/jobs{query}")
            assert (headed.status_code, headed.content) == (200, b"")
            assert headed.headers["Content-Type"] == "application/json"
            assert headed.headers.get("Link") == got.headers.get("Link")
        assert http.head("/v1/jobs?limit=0").status_code == 422

    def test_filters(self, http: httpx.Client, submit: Submit, finish: Finish) -> None:
        plain, odd = submit()["id"], submit(label="a&b=ç, d")["id"]
        finish(plain)

        def ids(**query: str) -> set[str]:
            return {job["id"] for job in http.get("/v1/jobs", params=query).json()["jobs"]}

        assert ids() == {plain, odd}
        assert ids(state="succeeded") == {plain}
        assert ids(label="a&b=ç, d") == {odd}
        assert ids(label="a") == set()
        assert ids(kind="convolve", state="queued") == {odd}

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ({"state": "done"}, "state"),
            ({"kind": "paint"}, "kind"),
            ({"limit": "0"}, "limit"),
            ({"limit": "201"}, "limit"),
            ({"cursor": "x"}, "cursor"),
            ({"label": ""}, "label"),
            ({"tenant": "a:b"}, "tenant"),
            ({"tenant": "**"}, "tenant"),
        ],
    )
    def test_bad_queries(self, http: httpx.Client, query: dict[str, str], field: str) -> None:
        response = http.get("/v1/jobs", params=query)
        assert (response.status_code, response.json()["field"]) == (422, field)


class TestChanging:
    def test_cancel_a_queued_job(self, http: httpx.Client, submit: Submit) -> None:
        job_id = submit()["id"]
        for _ in range(2):
            response = http.post(f"/v1/jobs/{job_id}/cancel")
            assert (response.status_code, response.json()["state"]) == (200, "cancelled")

    def test_cancel_a_running_job(self, http: httpx.Client, submit: Submit, jobs: JobStore) -> None:
        job_id = submit()["id"]
        (claimed,) = jobs.claim(worker="w", pid=1, lease=30)
        attempt = claimed.attempt
        response = http.post(f"/v1/jobs/{job_id}/cancel")
        assert (response.status_code, response.json()["state"]) == (202, "running")
        assert response.json()["cancel_requested"]
        assert jobs.renew(job_id, attempt, lease=30) == "cancel"

    def test_what_has_ended_cannot_be_cancelled_nor_retried(
        self, http: httpx.Client, submit: Submit, finish: Finish
    ) -> None:
        job_id = submit()["id"]
        finish(job_id)
        for action in ("cancel", "retry"):
            response = http.post(f"/v1/jobs/{job_id}/{action}")
            assert (response.status_code, response.json()["code"]) == (409, "conflict")
            assert response.json()["given"] == "succeeded"

    def test_retry(
        self,
        http: httpx.Client,
        submit: Submit,
        client: redis.Redis,
        settings: Settings,
    ) -> None:
        job_id = submit()["id"]
        http.post(f"/v1/jobs/{job_id}/cancel")
        client.delete(queue.messages_key(settings.redis_prefix))
        response = http.post(f"/v1/jobs/{job_id}/retry")
        assert (response.status_code, response.json()["state"]) == (202, "queued")
        assert queue.depth(client, settings) == 1

    def test_delete(self, http: httpx.Client, submit: Submit, finish: Finish) -> None:
        job_id = submit()["id"]
        early = http.delete(f"/v1/jobs/{job_id}")
        assert (early.status_code, early.json()["code"]) == (409, "conflict")
        finish(job_id)
        gone = http.delete(f"/v1/jobs/{job_id}")
        assert (gone.status_code, gone.content) == (204, b"")
        assert "Content-Type" not in gone.headers
        assert http.get(f"/v1/jobs/{job_id}").status_code == 404

    @pytest.mark.parametrize("action", ["cancel", "retry", ""])
    def test_unknown_jobs(self, http: httpx.Client, action: str) -> None:
        method = "POST" if action else "DELETE"
        path = f"/v1/jobs/{UNKNOWN_JOB}/{action}".rstrip("/")
        assert http.request(method, path).status_code == 404


def test_a_plan_stores_nothing(
    http: httpx.Client, body: dict[str, Any], client: redis.Redis
) -> None:
    before = sorted(client.keys())
    response = http.post("/v1/plans", json=body)
    assert response.status_code == 200
    plan = response.json()["plan"]
    assert plan["seconds"] > 0
    assert plan["groups"][0]["why"]
    assert sorted(client.keys()) == before


def test_an_unknown_method_of_convolution(http: httpx.Client, body: dict[str, Any]) -> None:
    problem = http.post("/v1/plans", json=body | {"method": "magic"}).json()
    assert problem["field"] == "method"
    assert "direct" in problem["accepted"]


def test_a_method_that_refuses(http: httpx.Client, body: dict[str, Any]) -> None:
    fields = {"kernel": {"values": [1, 2, 1]}, "method": "separable"}
    response = http.post("/v1/plans", json=body | fields)
    assert (response.status_code, response.json()["code"]) == (422, "algorithm_refused")
