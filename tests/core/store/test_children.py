"""Jobs that begin others and wait for them, against a real Redis."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import Conflict, LeaseLost
from core.store.jobs import Job, JobStore, Place, Progress


class Family:
    """A job that runs, and the jobs that it begins."""

    def __init__(self, jobs: JobStore) -> None:
        self.jobs = jobs
        self.parent = jobs.submit(kind="parent", spec="{}", artifacts=[], total=3)[0].id
        self.claim()

    def claim(self) -> None:
        (claimed,) = self.jobs.claim(worker="w1", pid=1, lease=60)
        assert claimed.id == self.parent
        self.attempt = claimed.attempt

    def begin(self, name: str) -> Job:
        place = Place(self.parent, self.attempt, name)
        return self.jobs.submit(kind="child", spec="{}", artifacts=[], begun_by=place)[0]

    def wait(self, *children: Job) -> None:
        ids = [child.id for child in children]
        assert self.jobs.wait(self.parent, self.attempt, "it waits", ids)

    def end(self, job: Job | str, state: Any = "succeeded") -> None:
        job_id = job if isinstance(job, str) else job.id
        (claimed,) = self.jobs.claim(worker="w2", pid=2, lease=60)
        assert claimed.id == job_id
        self.finish(job_id, claimed.attempt, state)

    def finish(self, job_id: str, attempt: int, state: Any) -> None:
        assert self.jobs.finish(job_id, attempt, state, progress=Progress(), timings={})

    def state(self, job: Job | None = None) -> str:
        return self.jobs.get(self.parent if job is None else job.id).state


@pytest.fixture
def family(jobs: JobStore) -> Family:
    return Family(jobs)


def test_a_job_waits_without_a_worker_until_the_last_of_its_children_has_ended(
    family: Family, jobs: JobStore
) -> None:
    children = [family.begin(str(n)) for n in range(3)]
    assert {jobs.get(child.id).parent for child in children} == {family.parent}
    family.wait(*children)
    assert (family.state(), jobs.running_on("w1")) == ("waiting", [])
    for count, (child, state) in enumerate(
        zip(children, ("succeeded", "failed", "cancelled"), strict=True)
    ):
        assert family.state() == "waiting"
        assert jobs.get(family.parent).progress.done == count
        family.end(child, state)
    now = jobs.get(family.parent)
    assert (now.state, now.progress.done, now.progress.failed) == ("queued", 3, 1)
    assert [a.outcome for a in jobs.attempts(family.parent)] == ["waiting"]
    family.claim()
    family.finish(family.parent, family.attempt, "succeeded")


def test_who_waits_for_what_has_ended_goes_on_at_once(family: Family) -> None:
    child = family.begin("0")
    family.end(child)
    family.wait(child)
    assert family.state() == "queued"


def test_a_place_is_taken_once_whatever_dies(family: Family, jobs: JobStore) -> None:
    first = family.begin("0")
    jobs.abandon(family.parent, family.attempt, reason="died", max_attempts=3)
    family.claim()
    assert family.begin("0").id == first.id
    assert family.begin("1").id != first.id


def test_an_attempt_that_lost_its_job_begins_nothing(family: Family, jobs: JobStore) -> None:
    jobs.abandon(family.parent, family.attempt, reason="died", max_attempts=3)
    with pytest.raises(LeaseLost):
        family.begin("0")
    assert not jobs.wait(family.parent, family.attempt, "it waits", [])
    assert [job.kind for job in jobs.page().jobs] == ["parent"]


def test_cancelling_a_job_that_waits_cancels_its_children_first(
    family: Family, jobs: JobStore
) -> None:
    running, queued = family.begin("0"), family.begin("1")
    family.wait(queued, running)
    (claimed,) = jobs.claim(worker="w2", pid=2, lease=60)
    assert claimed.id == running.id
    attempt = claimed.attempt
    assert jobs.cancel(family.parent) == "waiting"
    assert family.state(queued) == "cancelled"
    assert jobs.renew(running.id, attempt, lease=60) == "cancel"
    assert family.state() == "waiting"
    family.finish(running.id, attempt, "cancelled")
    assert family.state() == "cancelled"


def test_cancelling_when_all_children_are_queued_is_immediate(
    family: Family, jobs: JobStore
) -> None:
    family.wait(*[family.begin(str(n)) for n in range(3)])
    assert jobs.cancel(family.parent) == "cancelled"
    assert jobs.counts()["cancelled"] == 4


def test_a_cancel_while_children_are_begun_waits_for_them(family: Family, jobs: JobStore) -> None:
    child = family.begin("0")
    (claimed,) = jobs.claim(worker="w2", pid=2, lease=60)
    assert claimed.id == child.id
    attempt = claimed.attempt
    jobs.cancel(family.parent)
    assert jobs.renew(family.parent, family.attempt, lease=60) == "cancel"
    family.finish(family.parent, family.attempt, "cancelled")
    assert family.state() == "waiting"
    family.finish(child.id, attempt, "cancelled")
    assert family.state() == "cancelled"


@pytest.mark.parametrize("running", [False, True])
def test_a_cancel_that_comes_before_the_wait_is_heeded(
    family: Family, jobs: JobStore, running: bool
) -> None:
    child = family.begin("0")
    attempt = jobs.claim(worker="w2", pid=2, lease=60)[0].attempt if running else None
    jobs.cancel(family.parent)
    family.wait(child)
    assert family.state() == ("waiting" if running else "cancelled")
    if attempt:
        family.finish(child.id, attempt, "cancelled")
    assert family.state() == "cancelled"


def test_a_cancel_of_a_queued_job_reaches_what_it_began(family: Family, jobs: JobStore) -> None:
    child = family.begin("0")
    jobs.release(family.parent, family.attempt, "drained")
    assert jobs.cancel(family.parent) == "cancelled"
    assert family.state(child) == "cancelled"


def test_what_a_job_has_begun_does_not_outlive_its_failure(family: Family) -> None:
    child = family.begin("0")
    family.finish(family.parent, family.attempt, "failed")
    assert (family.state(), family.state(child)) == ("failed", "cancelled")


def test_retrying_a_job_retries_what_did_not_succeed_in_it(family: Family, jobs: JobStore) -> None:
    good, bad, waiting = (family.begin(str(n)) for n in range(3))
    family.wait(good, bad, waiting)
    family.end(good)
    family.end(bad, "failed")
    jobs.cancel(family.parent)
    assert family.state() == "cancelled"
    jobs.retry(family.parent)
    assert [family.state(job) for job in (None, good, bad, waiting)] == [
        "queued", "succeeded", "queued", "queued",
    ]  # fmt: skip


def test_a_job_that_waits_is_neither_deleted_nor_claimed(family: Family, jobs: JobStore) -> None:
    child = family.begin("0")
    family.wait(child)
    with pytest.raises(Conflict):
        jobs.delete(family.parent)
    assert [claimed.id for claimed in jobs.claim(worker="w2", pid=2, lease=60)] == [child.id]
    assert jobs.claim(worker="w2", pid=2, lease=60) == []


def test_children_outlive_the_record_of_their_parent(
    family: Family, jobs: JobStore, client: Any
) -> None:
    child = family.begin("0")
    family.finish(family.parent, family.attempt, "succeeded")
    jobs.delete(family.parent)
    family.end(child)
    assert family.state(child) == "succeeded"
    assert client.keys(f"convq:job:{family.parent}*") == []
