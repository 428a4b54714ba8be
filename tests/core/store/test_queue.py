"""The order in which queued jobs are claimed, against a list that is searched from end to end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import QueueFull
from core.needs import needed, offers
from core.store.jobs import Job, JobStore, Limits, NewJob

PRIORITIES = ("interactive", "normal", "batch")
# Of jobs, of workers and of their GPUs, in bytes.
SIZES = (1 << 20, 1 << 30, 1 << 31, 1 << 40)
WORKERS = st.tuples(st.sampled_from(SIZES), st.one_of(st.none(), st.sampled_from(SIZES)))


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


class Entry(NamedTuple):
    priority: str
    tenant: str
    job: str
    size: int
    on: str

    def fits(self, memory: float, gpu_memory: float | None) -> bool:
        on_gpu = gpu_memory is not None
        if self.on == "cpu" and on_gpu:
            return False
        if self.on == "gpu":
            return on_gpu and self.size <= min(memory, gpu_memory)
        return self.size <= memory


class Reference:
    """The highest priority; of its tenants the one whose turn was longest ago; its first job."""

    def __init__(self) -> None:
        self.queued: list[Entry] = []
        self.turns: dict[tuple[str, str], int] = {}
        self.turn = 0

    def best(self, fits: Callable[[Entry], bool] = lambda entry: True) -> str | None:
        fitting = [entry for entry in self.queued if fits(entry)]
        if not fitting:
            return None
        priority = min((entry.priority for entry in fitting), key=PRIORITIES.index)
        tenants = {entry.tenant for entry in fitting if entry.priority == priority}
        tenant = min(tenants, key=lambda name: (self.turns.get((priority, name), 0), name))
        self.turn += 1
        self.turns[priority, tenant] = self.turn
        found = next(entry for entry in fitting if entry[:2] == (priority, tenant))
        self.queued.remove(found)
        return found.job


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.tuples(
                st.sampled_from(PRIORITIES),
                st.sampled_from(("a", "b", "c")),
                st.sampled_from(SIZES),
                st.sampled_from(("auto", "cpu", "gpu")),
            ),
            WORKERS,
            st.just("cancel"),
        ),
        max_size=25,
    )
)
def test_the_best_job_is_claimed(jobs: JobStore, client: redis.Redis, steps: list[Any]) -> None:
    client.flushall()
    reference = Reference()
    for step in steps:
        if step == "cancel":
            if reference.queued:
                jobs.cancel(reference.queued.pop().job)
        elif len(step) == 2:
            bound = [entry for entry in reference.queued if entry.on != "auto"]
            on = "cpu" if step[1] is None else "gpu"
            waiting = sum(entry.fits(*step) for entry in bound)
            assert jobs.missing_bound(on, offers(*step)) == min(16, waiting)
            best = reference.best(lambda entry, step=step: entry.fits(*step))
            claimed = claim(jobs, offers=offers(*step))
            assert [job.id for job in claimed] == list(filter(None, [best]))
        else:
            priority, tenant, size, on = step
            job = submit(jobs, tenant, priority=priority, needs=needed(size), device=on)
            assert jobs.get(job).device == on
            reference.queued.append(Entry(priority, tenant, job, size, on))
        free = sum(entry.on == "auto" for entry in reference.queued)
        assert jobs.missing_messages(age=0) == min(16, free)
        assert +Counter(jobs.ready()) == Counter(entry.on for entry in reference.queued)
    while (best := reference.best()) is not None:
        assert [job.id for job in claim(jobs)] == [best]
    assert claim(jobs) == []
    assert {key.split(":")[1] for key in client.keys("*")} & QUEUE == set()


def test_a_full_queue_counts_every_job_and_a_wake_up_goes_to_who_can_use_it(
    jobs: JobStore,
) -> None:
    bound = [NewJob(kind="convolve", spec="{}", device=on) for on in ("cpu", "gpu")]
    assert jobs.submit_many(bound).missing == 0
    free = NewJob(kind="convolve", spec="{}")
    answers, missing = jobs.submit_many([free, free], Limits(queued=3))
    assert (type(answers[1]), missing) == (QueueFull, 1)


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
