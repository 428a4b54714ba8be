"""Redis goes away: a clear answer within two seconds, and all is well when it is back."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import redis
from celery import Celery
from kombu.exceptions import OperationalError

from convq.stack.redis_server import RedisServer

pytestmark = pytest.mark.stack

REQUESTS = (
    ("GET", "/v1/queue"),
    ("GET", f"/v1/jobs/{'0' * 20}"),
    ("GET", f"/v1/jobs/{'0' * 20}/events"),
    ("GET", f"/v1/artifacts/sha256:{'0' * 64}"),
    ("POST", f"/v1/jobs/{'0' * 20}/cancel"),
    ("POST", "/v1/artifacts"),
    ("GET", "/readyz"),
)


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def http(http_with: Callable[..., httpx.Client], own_redis: RedisServer) -> httpx.Client:
    return http_with(redis_url=own_redis.url)


@pytest.fixture
def job(http: httpx.Client, npy: Callable[[Any], bytes]) -> dict[str, Any]:
    digest = http.post("/v1/artifacts", content=npy(np.zeros((4, 4)))).json()["digest"]
    body = {"kind": "convolve", "inputs": [digest], "kernel": {"preset": "identity"}}
    answer: dict[str, Any] = http.post("/v1/jobs", json=body).json()
    return answer


def check_away(http: httpx.Client, method: str, path: str, within: float = 3) -> None:
    start = time.monotonic()
    response = http.request(method, path, content=b"hello" if path == "/v1/artifacts" else None)
    assert time.monotonic() - start < within
    assert response.status_code == 503
    assert response.headers["Content-Type"] == "application/problem+json"
    assert int(response.headers["Retry-After"]) > 0
    assert response.json()["code"] == "unavailable"
    assert "Redis" in response.json()["detail"]


def test_a_stopped_redis(http: httpx.Client, own_redis: RedisServer, job: dict[str, Any]) -> None:
    own_redis.stop()
    for method, path in REQUESTS:
        check_away(http, method, path)
    assert http.get("/healthz").status_code == 200
    assert "convq_redis_up 0.0" in http.get("/metrics").text
    own_redis.start()
    assert http.get(job["links"]["self"]).json()["state"] == "queued"


def test_a_silent_redis(
    http_with: Callable[..., httpx.Client], own_redis: RedisServer, job: dict[str, Any]
) -> None:
    # Each request waits once, and not again for its next command. On a busy machine the rest of it
    # was seen to take 0.6 s.
    http = http_with(redis_url=own_redis.url, redis_timeout=4)
    assert own_redis.process.pid
    os.kill(own_redis.process.pid, signal.SIGSTOP)
    try:
        threads = [
            threading.Thread(target=check_away, args=(http, *request, 8)) for request in REQUESTS
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        os.kill(own_redis.process.pid, signal.SIGCONT)
    assert http.get(job["links"]["self"]).status_code == 200


def test_an_event_stream_ends_and_can_be_resumed(
    http: httpx.Client, own_redis: RedisServer, job: dict[str, Any]
) -> None:
    path = job["links"]["events"]
    with http.stream("GET", path) as response:
        lines = response.iter_lines()
        last = next(line for line in lines if line.startswith("id: ")).removeprefix("id: ")
        own_redis.kill()
        assert not [line for line in lines if line]
    own_redis.start()
    http.post(job["links"]["cancel"])
    rest = http.get(path, headers={"Last-Event-ID": last}).text
    assert rest.count("event: ") == 1
    assert '"cancelled"' in rest


def test_waiting_for_a_job_when_redis_goes(
    http: httpx.Client, own_redis: RedisServer, job: dict[str, Any], npy: Callable[[Any], bytes]
) -> None:
    digest = http.post("/v1/artifacts", content=npy(np.zeros((4, 4)))).json()["digest"]
    body = {"kind": "convolve", "inputs": [digest], "kernel": {"preset": "identity"}}
    threading.Timer(0.5, own_redis.kill).start()
    start = time.monotonic()
    response = http.post("/v1/jobs", json=body, headers={"Prefer": "wait=30"})
    assert time.monotonic() - start < 15  # of 30 that were asked for
    assert response.status_code == 503


def test_a_message_that_cannot_be_sent_is_no_error(
    http: httpx.Client,
    own_redis: RedisServer,
    job: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OperationalError("the broker is away")

    http.post(job["links"]["cancel"])
    with redis.Redis.from_url(own_redis.url) as client:
        client.delete("convq:celery:convq")
    monkeypatch.setattr(Celery, "send_task", refuse)
    response = http.post(f"{job['links']['self']}/retry")
    assert (response.status_code, response.json()["state"]) == (202, "queued")
    assert "the broker is away" in caplog.text


def test_a_broker_that_is_silent_holds_nobody_up(
    http: httpx.Client,
    own_redis: RedisServer,
    job: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent, asked = threading.Event(), threading.Event()

    def silent(*_: Any, **__: Any) -> None:
        asked.set()
        sent.wait(120)

    http.post(job["links"]["cancel"])
    with redis.Redis.from_url(own_redis.url) as client:
        client.delete("convq:celery:convq")
    monkeypatch.setattr(Celery, "send_task", silent)
    start = time.monotonic()
    assert http.post(f"{job['links']['self']}/retry").status_code == 202
    assert asked.is_set()
    assert time.monotonic() - start < 20  # within a second where nothing else runs
    sent.set()


def test_an_object_store_that_is_away(
    http_with: Callable[..., httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    away = http_with(store_url="s3://bucket/artifacts")
    for response in (away.get("/readyz"), away.post("/v1/artifacts", content=b"hello")):
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
        assert response.json()["code"] == "unavailable"
        assert "artifact store" in response.json()["detail"]
    assert away.get("/healthz").status_code == 200


def test_a_redis_that_is_full_is_read_and_takes_nothing(
    http: httpx.Client, own_redis: RedisServer, job: dict[str, Any], npy: Callable[[Any], bytes]
) -> None:
    content = npy(np.ones((3, 3)))
    with redis.Redis.from_url(own_redis.url) as client:
        client.config_set("maxmemory", 1)
        refused = http.post("/v1/artifacts", content=content)
        assert refused.status_code == 503, refused.text
        assert "Retry-After" in refused.headers
        assert "no memory left" in refused.json()["detail"]
        assert http.get(job["links"]["self"]).json()["state"] == "queued"
        client.config_set("maxmemory", 0)
    assert http.post("/v1/artifacts", content=content).status_code == 201
