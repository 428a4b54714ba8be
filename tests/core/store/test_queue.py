"""The order in which queued jobs are claimed, against a list that is searched from end to end."""

from __future__ import annotations

import math
import time
from typing import Any

import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.needs import needed
from core.store.jobs import Job, JobStore, NewJob

PRIORITIES = ("interactive", "normal", "batch")
# Of jobs and of workers, in bytes.
SIZES = (1 << 20, 1 << 30, 1 << 31, 1 << 40)


def submit(jobs: JobStore, tenant: str = "default", **fields: Any) -> str:
    new = NewJob(**({"kind": "convolve", "spec": "{}"} | fields))
    (answer,), _ = jobs.of(tenant).submit_many([new])
    assert isinstance(answer, tuple)
    return answer[0].id


def claim(jobs: JobStore, **more: Any) -> list[Job]:
    return jobs.claim(**({"worker": "w", "pid": 1, "lease": 60} | more))


def claim_all(jobs: JobStore, **more: Any) -> list[str]:
    order = []
    while claimed := claim(jobs, **more):
        order += [job.id for job in claimed]
    return order


# The second parts of the keys that no queue without jobs has.
QUEUE = {"waiting", "lines", "line", "needs"}


class Reference:
    """The highest priority; of its tenants the one whose turn was longest ago; its first job."""

    def __init__(self) -> None:
        self.queued: list[tuple[str, str, str, int]] = []
        self.turns: dict[tuple[str, str], int] = {}
        self.turn = 0

    def best(self, memory: float = math.inf) -> str | None:
        fitting = [entry for entry in self.queued if entry[3] <= memory]
        if not fitting:
            return None
        priority = min((entry[0] for entry in fitting), key=PRIORITIES.index)
        tenants = {entry[1] for entry in fitting if entry[0] == priority}
        tenant = min(tenants, key=lambda name: (self.turns.get((priority, name), 0), name))
        self.turn += 1
        self.turns[priority, tenant] = self.turn
        found = next(entry for entry in fitting if entry[:2] == (priority, tenant))
        self.queued.remove(found)
        return found[2]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.tuples(
                st.sampled_from(PRIORITIES),
                st.sampled_from(("a", "b", "c")),
                st.sampled_from(SIZES),
            ),
            st.sampled_from(SIZES),
            st.just("cancel"),
        ),
        max_size=25,
    )
)
def test_the_best_job_is_claimed(jobs: JobStore, client: redis.Redis, steps: list[Any]) -> None:
    client.flushall()
    reference = Reference()
    for step in steps:
        if isinstance(step, int):
            best = reference.best(step)
            assert [job.id for job in claim(jobs, memory=step)] == list(filter(None, [best]))
        elif step == "cancel":
            if reference.queued:
                jobs.cancel(reference.queued.pop()[2])
        else:
            priority, tenant, size = step
            job = submit(jobs, tenant, priority=priority, needs=needed(size))
            reference.queued.append((priority, tenant, job, size))
        assert jobs.missing_messages(age=0) == min(16, len(reference.queued))
    while (best := reference.best()) is not None:
        assert [job.id for job in claim(jobs)] == [best]
    assert claim(jobs) == []
    assert {key.split(":")[1] for key in client.keys("*")} & QUEUE == set()


def test_a_small_tenant_waits_for_the_running_job_only(jobs: JobStore) -> None:
    recorded = jobs.of("large").submit_many([NewJob(kind="convolve", spec="{}")] * 100)
    assert len(recorded.answers) == 100
    claim(jobs)
    for _ in range(3):
        small = submit(jobs, "small")
        assert [job.id for job in claim(jobs)] == [small]
        assert claim(jobs)[0].tenant == "large"


def test_who_has_waited_for_long_takes_turns_with_higher_priorities(jobs: JobStore) -> None:
    old = [submit(jobs, priority="batch") for _ in range(3)]
    time.sleep(0.03)
    new = [submit(jobs, priority="interactive") for _ in range(3)]
    young = submit(jobs, priority="batch")
    order = claim_all(jobs, patience=0.025)
    assert order[:6] == [old[0], new[0], old[1], new[1], old[2], new[2]]
    assert order[6:] == [young]


def test_until_then_priority_decides(jobs: JobStore) -> None:
    last, second = submit(jobs, priority="batch"), submit(jobs)
    first = submit(jobs, priority="interactive")
    assert claim_all(jobs, patience=60) == [first, second, last]


def test_who_was_interrupted_keeps_its_place_and_who_had_a_piece_done_does_not(
    jobs: JobStore,
) -> None:
    first, second, third = (submit(jobs) for _ in range(3))
    (claimed,) = claim(jobs)
    jobs.release(first, claimed.attempt, "drained")
    (claimed,) = claim(jobs)
    assert claimed.id == first
    jobs.release(first, claimed.attempt, "a piece was over", "continued")
    assert claim_all(jobs) == [second, third, first]


def test_who_had_a_piece_done_goes_behind_those_who_came_in_the_same_millisecond(
    jobs: JobStore,
) -> None:
    for _ in range(100):
        submit(jobs)
        (claimed,) = claim(jobs)
        new = submit(jobs)
        jobs.release(claimed.id, claimed.attempt, "a piece was over", "continued")
        assert claim_all(jobs) == [new, claimed.id]


def test_jobs_that_are_alike_are_claimed_together_whosever_they_are(jobs: JobStore) -> None:
    ours = [submit(jobs, "ours", alike="x") for _ in range(3)]
    other = submit(jobs, "ours", alike="y")
    theirs = submit(jobs, "theirs", alike="x", priority="batch")
    alone = submit(jobs, "ours")
    jobs.cancel(ours[1])
    assert [job.id for job in claim(jobs, most=64)] == [ours[0], ours[2], theirs]
    assert [job.id for job in claim(jobs, most=64)] == [other]
    assert [job.id for job in claim(jobs, most=64)] == [alone]
    assert len(jobs.running_on("w")) == 5


def test_no_more_are_claimed_together_than_asked_for(jobs: JobStore) -> None:
    made = [submit(jobs, alike="x") for _ in range(5)]
    assert [job.id for job in claim(jobs, most=2)] == made[:2]
    assert [job.id for job in claim(jobs)] == made[2:3]


def test_a_job_that_took_a_worker_with_it_runs_alone(jobs: JobStore) -> None:
    made = [submit(jobs, alike="x") for _ in range(3)]
    for job in claim(jobs, most=2):
        jobs.abandon(job.id, job.attempt, reason="died", max_attempts=3)
    assert [[job.id for job in claim(jobs, most=64)] for _ in made] == [[job] for job in made]


def test_a_claim_costs_no_more_in_a_long_queue(jobs: JobStore, client: redis.Redis) -> None:
    def commands() -> int:
        before = client.info("commandstats")
        claim(jobs)
        after = client.info("commandstats")
        return sum(
            stats["calls"] - before.get(name, {"calls": 0})["calls"]
            for name, stats in after.items()
        )

    submit(jobs)
    submit(jobs)
    short = commands()
    jobs.submit_many([NewJob(kind="convolve", spec="{}")] * 500)
    assert abs(commands() - short) <= 3
