"""Who holds jobs keeps them from the claim to the commit, and gives up no more than is asked."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis

import workers.claims
import workers.runner
from core.errors import IntegrityError
from core.jobs.run import Run
from core.settings import Settings
from core.store.artifacts import ArtifactStore
from core.store.jobs import Job, JobStore, NewJob
from workers.runner import Runner

LEASE = 0.4


def make_runner(settings: Settings, **changes: Any) -> Runner:
    settings = settings.model_copy(update={"lease": LEASE, "together": 3} | changes)
    return Runner(settings, worker="w1", pid=1, send=lambda: None)


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def submit(jobs: JobStore, count: int, tenants: tuple[str, ...] = ("default",)) -> list[Job]:
    """Queue jobs that are alike, of several tenants in turn."""
    alike = NewJob(kind="scripted", spec='{"kind":"scripted"}', alike="x")
    made = []
    for index in range(count):
        (answer,), _ = jobs.of(tenants[index % len(tenants)]).submit_many([alike])
        assert isinstance(answer, tuple)
        made.append(answer[0])
    return made


def states(jobs: JobStore, made: list[Job]) -> list[str]:
    return [jobs.get(job.id).state for job in made]


def outcomes(jobs: JobStore, job: Job) -> list[str | None]:
    return [attempt.outcome for attempt in jobs.attempts(job.id)]


def at_work(monkeypatch: pytest.MonkeyPatch, job: Job, act: Callable[[], None]) -> None:
    """Act when the work on a job begins, once."""
    work, done = workers.runner.work, []

    def acting(now: Job, run: Run) -> Any:
        if now.id == job.id and not done:
            done.append(job.id)
            act()
        return work(now, run)

    monkeypatch.setattr(workers.runner, "work", acting)


def see_all_renewed(client: redis.Redis, made: list[Job]) -> None:
    """Wait until all leases end later than any that was claimed by now."""
    # To take away what has run out would be a race with a program that is held up for a lease.
    seconds, microseconds = client.time()
    claimed = seconds * 1000 + microseconds // 1000 + LEASE * 1000

    def ends() -> list[float]:
        found = [client.zscore("convq:leases", job.id) for job in made]
        return [end for end in found if end is not None]  # else it is committed

    until(lambda: min(ends()) > claimed)


@pytest.mark.parametrize("tenants", [("default",), ("ours", "theirs", "others")])
def test_jobs_that_wait_for_one_that_they_run_with_are_not_lost(
    settings: Settings,
    scripted: Any,
    jobs: JobStore,
    client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    tenants: tuple[str, ...],
) -> None:
    made = submit(jobs, 3, tenants)
    at_work(monkeypatch, made[0], lambda: see_all_renewed(client, made))
    make_runner(settings).run()
    assert [outcomes(jobs, job) for job in made] == [["succeeded"]] * 3


@pytest.mark.parametrize("tenants", [("default",), ("ours", "theirs", "others")])
def test_one_that_is_cancelled_before_its_turn_does_not_wait_for_it(
    settings: Settings,
    scripted: Any,
    jobs: JobStore,
    monkeypatch: pytest.MonkeyPatch,
    tenants: tuple[str, ...],
) -> None:
    made = submit(jobs, 3, tenants)

    def cancel_the_second() -> None:
        jobs.cancel(made[1].id)
        until(lambda: jobs.get(made[1].id).state == "cancelled")

    at_work(monkeypatch, made[0], cancel_the_second)
    make_runner(settings).run()
    assert [outcomes(jobs, job) for job in made] == [["succeeded"], ["cancelled"], ["succeeded"]]


def test_one_that_is_cancelled_after_its_turn_does_not_wait_for_the_others(
    settings: Settings, scripted: Any, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = submit(jobs, 3)

    def cancel_the_first() -> None:
        jobs.cancel(made[0].id)
        until(lambda: jobs.get(made[0].id).state == "cancelled")

    at_work(monkeypatch, made[2], cancel_the_first)
    make_runner(settings).run()
    assert [outcomes(jobs, job) for job in made] == [["cancelled"], ["succeeded"], ["succeeded"]]


def test_jobs_that_are_run_one_by_one_wait_for_their_turn_without_being_lost(
    settings: Settings,
    scripted: Any,
    jobs: JobStore,
    client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = submit(jobs, 3)
    scripted.behave = lambda run: run.deliver(
        "out", source=None, media_type="x/y", write=lambda path: path.write_text("x") and None
    )
    full = [True]
    place = ArtifactStore.place_together

    def full_once(self: ArtifactStore, *args: Any) -> Any:
        if full:
            full.pop()
            at_work(monkeypatch, made[0], lambda: see_all_renewed(client, made))
            raise OSError(errno.ENOSPC, "no room")
        return place(self, *args)

    monkeypatch.setattr(ArtifactStore, "place_together", full_once)
    make_runner(settings).run()
    assert full == []
    assert [outcomes(jobs, job) for job in made] == [["succeeded"]] * 3


def test_jobs_that_cannot_be_committed_are_not_held_for_ever_and_hold_up_no_others(
    settings: Settings, scripted: Any, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = submit(jobs, 6)
    finish_many, failed = JobStore.finish_many, []

    def refused_once(self: JobStore, *args: Any) -> Any:
        if not failed:
            failed.append(args)
            raise redis.ResponseError("ERR a record is damaged")
        return finish_many(self, *args)

    monkeypatch.setattr(JobStore, "finish_many", refused_once)
    with pytest.raises(redis.ResponseError, match="damaged"):
        make_runner(settings).run()
    assert states(jobs, made[3:]) == ["succeeded"] * 3
    # Their leases run out.
    until(lambda: bool(jobs.expire(max_attempts=3)))
    assert states(jobs, made[:3]) == ["queued"] * 3


def test_one_whose_inputs_cannot_be_told_fails_alone(
    settings: Settings, scripted: Any, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = submit(jobs, 3)

    def damaged(*args: Any) -> Any:
        raise IntegrityError("the description is damaged")

    monkeypatch.setattr(workers.claims, "needed_by", damaged)
    make_runner(settings).run()
    assert states(jobs, made) == ["succeeded"] * 3
