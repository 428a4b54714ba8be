from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from api import watching
from api.services import Services
from core.store.jobs import JobStore, Progress

Submit = Callable[..., dict[str, Any]]
Finish = Callable[..., None]


def parse(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Yield the events of a stream, by the letter of the HTML standard for one-line fields."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        else:
            if "data" in fields:
                yield fields | {"data": json.loads(fields["data"])}
            fields = {}


def follow(http: httpx.Client, job_id: str, **headers: str) -> list[dict[str, Any]]:
    with http.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert response.headers["Cache-Control"] == "no-store"
        return list(parse(response.iter_lines()))


def states(events: list[dict[str, Any]]) -> list[str]:
    return [event["data"]["state"] for event in events if event["event"] == "state"]


def test_the_history_of_an_ended_job(http: httpx.Client, submit: Submit, finish: Finish) -> None:
    job_id = submit()["id"]
    finish(job_id)
    events = follow(http, job_id)
    assert states(events) == ["queued", "running", "succeeded"]
    assert events[1]["data"]["worker"] == "worker-1"
    assert events[1]["data"]["at"].endswith("+00:00")


def test_events_come_as_they_happen(http: httpx.Client, submit: Submit, jobs: JobStore) -> None:
    job_id = submit()["id"]
    with http.stream("GET", f"/v1/jobs/{job_id}/events") as response:
        events = parse(response.iter_lines())
        assert next(events)["data"]["state"] == "queued"
        (claimed,) = jobs.claim(worker="w", pid=1, lease=30)
        attempt = claimed.attempt
        assert next(events)["data"]["state"] == "running"
        progress = Progress(done=3, total=9, stage="convolve")
        jobs.renew(job_id, attempt, lease=30, progress=progress)
        told = next(events)
        assert told["event"] == "progress"
        assert (told["data"]["done"], told["data"]["total"]) == (3, 9)
        jobs.finish(job_id, attempt, "succeeded", progress=progress, timings={})
        assert next(events)["data"]["state"] == "succeeded"
        assert next(events, None) is None


@pytest.mark.parametrize("by", ["header", "query"])
def test_resuming_anywhere(http: httpx.Client, submit: Submit, finish: Finish, by: str) -> None:
    job_id = submit()["id"]
    finish(job_id)
    events = follow(http, job_id)
    for place, event in enumerate(events[:-1]):
        if by == "header":
            rest = follow(http, job_id, **{"Last-Event-ID": event["id"]})
        else:
            response = http.get(f"/v1/jobs/{job_id}/events", params={"after": event["id"]})
            rest = list(parse(iter(response.text.splitlines())))
        assert rest == events[place + 1 :]
    headers = {"Last-Event-ID": events[-1]["id"]}
    nothing_more = http.get(f"/v1/jobs/{job_id}/events", headers=headers)
    assert (nothing_more.status_code, nothing_more.content) == (204, b"")
    assert "Content-Type" not in nothing_more.headers


def test_a_retried_job_goes_on_after_its_first_end(
    http: httpx.Client, submit: Submit, finish: Finish
) -> None:
    job_id = submit()["id"]
    http.post(f"/v1/jobs/{job_id}/cancel")
    http.post(f"/v1/jobs/{job_id}/retry")
    finish(job_id)
    assert states(follow(http, job_id)) == [
        "queued",
        "cancelled",
        "queued",
        "running",
        "succeeded",
    ]


@pytest.mark.parametrize("bad", ["x", "-1", "1-", "9" * 20, "1-1-1"])
def test_bad_ids(http: httpx.Client, submit: Submit, bad: str) -> None:
    path = f"/v1/jobs/{submit()['id']}/events"
    by_header = http.get(path, headers={"Last-Event-ID": bad})
    assert (by_header.status_code, by_header.json()["field"]) == (422, "Last-Event-ID")
    by_query = http.get(path, params={"after": bad})
    assert (by_query.status_code, by_query.json()["field"]) == (422, "after")


def test_an_unknown_job(http: httpx.Client) -> None:
    response = http.get(f"/v1/jobs/{'0' * 20}/events")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_a_quiet_stream_stays_alive(
    http: httpx.Client, submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_HEARTBEAT_SECONDS", 0.1)
    with http.stream("GET", f"/v1/jobs/{submit()['id']}/events") as response:
        lines = response.iter_lines()
        assert next(line for line in lines if line.startswith(": "))


def test_clients_that_leave_are_forgotten(
    http: httpx.Client, submit: Submit, services: Services
) -> None:
    def wait_for(waiting: int) -> None:
        deadline = time.monotonic() + 60
        while services.watching.waiting != waiting:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    wait_for(0)
    with http.stream("GET", f"/v1/jobs/{submit()['id']}/events"):
        wait_for(1)
    wait_for(0)


def test_too_many_clients(
    http: httpx.Client, submit: Submit, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit()["id"]
    monkeypatch.setattr(watching, "_MOST_WAITERS", 0)
    response = http.get(f"/v1/jobs/{job_id}/events")
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert "Retry-After" in response.headers
    unwaited = http.post("/v1/jobs", json=body, headers={"Prefer": "wait=9"})
    assert unwaited.status_code == 202
    assert "Preference-Applied" not in unwaited.headers


def test_many_follow_one_job(http: httpx.Client, url: str, submit: Submit, finish: Finish) -> None:
    job_id = submit()["id"]
    seen: list[list[str]] = []

    def watch() -> None:
        with httpx.Client(base_url=url, timeout=30) as client:
            seen.append(states(follow(client, job_id)))

    watchers = [threading.Thread(target=watch) for _ in range(20)]
    for watcher in watchers:
        watcher.start()
    finish(job_id)
    for watcher in watchers:
        watcher.join()
    assert seen == [["queued", "running", "succeeded"]] * 20
