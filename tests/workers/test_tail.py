"""What is logged about a job is kept with the job."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from core import logs
from core.jobs.run import Run
from core.settings import Settings
from core.store.jobs import JobStore
from workers.runner import Runner
from workers.tail import TAIL, Tail

log = logging.getLogger("core.jobs.test")


@pytest.fixture
def tail() -> Iterator[Tail]:
    """Let the root logger have what workers give it."""
    root = logging.getLogger()
    before = root.level
    root.addHandler(TAIL)
    root.setLevel(logging.INFO)
    yield TAIL
    root.removeHandler(TAIL)
    root.setLevel(before)


def lines_of(jobs: JobStore, job_id: str) -> list[dict[str, Any]]:
    return [event.data for event in jobs.events(job_id) if event.event == "log"]


def run_all(settings: Settings) -> None:
    Runner(settings, worker="w1", pid=1, send=lambda: None).step()


def test_lines_and_tracebacks_are_events_of_the_job(
    tail: Tail, settings: Settings, scripted: Any, jobs: JobStore
) -> None:
    def behave(run: Run) -> None:
        log.info("reading", extra={"url": "redis://:hunter2@db/0", "state": "failed"})
        raise RuntimeError("token=geheim")

    scripted.behave = behave
    job = scripted.submit()
    run_all(settings)
    first, second = lines_of(jobs, job.id)
    assert (first["event"], first["level"], first["attempt"]) == ("reading", "info", 1)
    assert first["fields"] == {"url": "redis://***@db/0", "state": "failed"}
    # A state at the top would be taken for the end of the job.
    assert "state" not in first
    assert second["error"] == "RuntimeError"
    assert second["traceback"].endswith("token=***")
    names = [event.event for event in jobs.events(job.id)]
    assert names == ["state", "state", "log", "log", "state"]


def test_what_the_events_tell_is_not_told_again(
    tail: Tail, settings: Settings, scripted: Any, jobs: JobStore
) -> None:
    log.warning("about no job")
    job = scripted.submit()
    run_all(settings)
    assert jobs.get(job.id).state == "succeeded"
    assert lines_of(jobs, job.id) == []


def test_the_last_lines_stay_and_go_with_the_job(tail: Tail, jobs: JobStore, client: Any) -> None:
    job, _ = jobs.submit(kind="convolve", spec="{}")
    (claimed,) = jobs.claim(worker="w1", pid=1, lease=60)
    with logs.about(job=job.id):
        for number in range(101):
            log.info("line %d", number)
    taken = tail.take(job.id)
    assert [line["event"] for line in taken] == [f"line {number}" for number in range(1, 101)]
    assert tail.take(job.id) == []
    for number in range(6):
        jobs.log(job.id, claimed.attempt, [taken[0] | {"event": f"round {number}"}] * 100)
    assert [line["event"] for line in lines_of(jobs, job.id)][::100] == [
        f"round {number}" for number in range(1, 6)
    ]
    assert not jobs.log(job.id, claimed.attempt + 1, taken)
    jobs.release(job.id, claimed.attempt, "")
    jobs.cancel(job.id)
    jobs.delete(job.id)
    assert not [key for key in client.keys("*") if job.id in key]
