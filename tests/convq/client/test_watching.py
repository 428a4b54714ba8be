from __future__ import annotations

from typing import Any

import httpx
import pytest

from core.errors import NotFound, Unavailable


@pytest.fixture
def queued(convq_client: Any, service: Any) -> Any:
    service.runs = False
    return convq_client.submit(inputs=[b"x", b"y"], kernel="box")


def told(job: Any) -> tuple[str, int]:
    return job.state, job.progress.done


def test_events_come_in_order_and_end(convq_client: Any, service: Any, queued: Any) -> None:
    service.run(queued.id)
    events = list(convq_client.events(queued))
    assert [(event.id, event.name) for event in events] == [
        ("1", "state"),
        ("2", "state"),
        ("3", "progress"),
        ("4", "progress"),
        ("5", "state"),
    ]
    assert events[3].data["done"] == 2
    assert [event.id for event in convq_client.events(queued, after="3")] == ["4", "5"]
    assert list(convq_client.events(queued, after="5")) == []


def test_events_are_resumed_wherever_the_connection_breaks(
    convq_client: Any, service: Any, queued: Any, naps: list[float], broken: Any
) -> None:
    service.run(queued.id)
    stream = service.event_stream(queued.id)
    reference = list(convq_client.events(queued))
    for cut in range(0, len(stream), 3):
        service.faults.append(broken(stream[:cut]))
        assert list(convq_client.events(queued)) == reference


def test_a_stream_that_ends_early_is_opened_again(
    convq_client: Any, service: Any, queued: Any, naps: list[float]
) -> None:
    service.run(queued.id)
    short = service.event_stream(queued.id, until=2)
    service.faults += [lambda _: httpx.Response(200, content=short)]
    assert [event.id for event in convq_client.events(queued)] == list("12345")


def test_events_of_no_job(convq_client: Any) -> None:
    with pytest.raises(NotFound, match="no such job"):
        next(convq_client.events("nonsense"))


def test_events_of_a_service_that_stays_away(
    convq_client: Any, service: Any, queued: Any, naps: list[float]
) -> None:
    service.faults += [httpx.ConnectError("refused")] * 1000
    with pytest.raises(Unavailable, match="cannot be reached"):
        next(convq_client.events(queued))
    assert 60 < sum(naps) < 90


def test_wait_tells_of_every_change(
    convq_client: Any, service: Any, queued: Any, naps: Any
) -> None:
    seen: list[tuple[str, int]] = []

    def run_meanwhile(request: httpx.Request) -> httpx.Response:
        service.run(queued.id)
        return httpx.Response(200, stream=Slowly(service.event_stream(queued.id)))

    service.faults += [None, run_meanwhile]
    job = convq_client.wait(queued, on_progress=lambda job: seen.append(told(job)))
    assert job.state == "succeeded"
    assert job.timings.stages == {"decode": 0.005, "convolve": 0.015}
    assert seen == [
        ("queued", 0),
        ("queued", 0),
        ("running", 0),
        ("running", 1),
        ("running", 2),
        ("succeeded", 2),
    ]


def test_wait_skips_the_past(convq_client: Any, service: Any, queued: Any, naps: Any) -> None:
    service.run(queued.id)
    service.jobs[queued.id]["state"] = "running"
    past = service.event_stream(queued.id, until=4)

    def finish(_: httpx.Request) -> httpx.Response:
        service.jobs[queued.id]["state"] = "succeeded"
        return httpx.Response(200, content=past)

    service.faults += [None, finish]
    seen: list[tuple[str, int]] = []
    convq_client.wait(queued, on_progress=lambda job: seen.append(told(job)))
    assert seen == [("running", 2), ("running", 2), ("succeeded", 2)]


def test_wait_polls_where_events_do_not_come_through(
    convq_client: Any, service: Any, queued: Any, naps: list[float]
) -> None:
    for _ in range(5):
        service.faults += [None, lambda _: httpx.Response(500)]

    def run(request: httpx.Request) -> httpx.Response:
        service.run(queued.id)
        return service(request)

    service.faults.append(run)
    assert convq_client.wait(queued).state == "succeeded"
    assert naps == sorted(naps)


def test_wait_survives_a_restart_of_the_service(
    convq_client: Any, service: Any, queued: Any, naps: list[float], broken: Any
) -> None:
    service.faults += [None, broken(service.event_stream(queued.id))]
    service.faults += [httpx.ConnectError("refused")] * 20

    def back(request: httpx.Request) -> httpx.Response:
        service.run(queued.id)
        return service(request)

    service.faults.append(back)
    assert convq_client.wait(queued).state == "succeeded"


def test_wait_for_a_service_that_stays_away(
    convq_client: Any, service: Any, queued: Any, naps: list[float]
) -> None:
    service.faults += [httpx.ConnectError("refused")] * 1000
    with pytest.raises(Unavailable, match="cannot be reached"):
        convq_client.wait(queued)


@pytest.mark.parametrize("timeout", [0, 0.5, 7, 40])
def test_wait_stops_in_time(
    convq_client: Any, queued: Any, naps: list[float], timeout: float
) -> None:
    with pytest.raises(TimeoutError, match=f"is still queued after {timeout:g} s"):
        convq_client.wait(queued, timeout=timeout)
    assert sum(naps) == pytest.approx(timeout)


def test_wait_for_what_has_ended_asks_once(convq_client: Any, service: Any, queued: Any) -> None:
    service.run(queued.id)
    before = len(service.requests)
    assert convq_client.wait(queued.id).state == "succeeded"
    assert len(service.requests) - before == 1


class Slowly(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Each byte comes alone."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __iter__(self) -> Any:
        for byte in self._data:
            yield bytes([byte])

    async def __aiter__(self) -> Any:
        for byte in self._data:
            yield bytes([byte])


@pytest.fixture
def retried(service: Any, queued: Any) -> Any:
    """A job whose first attempt failed, and whose second one succeeded."""
    job = service.jobs[queued.id]
    service.emit(queued.id, "state", state="failed")
    service.emit(queued.id, "state", state="queued")
    service.run(queued.id)
    assert job["state"] == "succeeded"
    return queued


def test_a_past_failure_is_not_the_end(
    convq_client: Any, service: Any, retried: Any, naps: list[float]
) -> None:
    states = [event.data.get("state") for event in convq_client.events(retried)]
    assert states == ["queued", "failed", "queued", "running", None, None, "succeeded"]


def test_a_stream_that_ends_at_a_past_failure_goes_on(
    convq_client: Any, service: Any, retried: Any, naps: list[float]
) -> None:
    past = service.event_stream(retried.id, until=2)

    def still_running(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=service.jobs[retried.id] | {"state": "running"})

    service.faults += [lambda _: httpx.Response(200, content=past), still_running]
    assert len(list(convq_client.events(retried))) == 7


def test_wait_is_not_misled_by_a_past_failure(
    convq_client: Any, service: Any, retried: Any, naps: list[float]
) -> None:
    def still_running(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=service.jobs[retried.id] | {"state": "running"})

    stream = service.event_stream(retried.id)
    slow = lambda _: httpx.Response(200, stream=Slowly(stream))  # noqa: E731
    service.faults += [still_running, slow, still_running]
    seen: list[str] = []
    job = convq_client.wait(retried, on_progress=lambda job: seen.append(job.state))
    assert job.state == "succeeded"
    assert "failed" not in seen
