"""What is counted is what the records say, whatever happened to the jobs."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.store.history import WINDOWS, Window, total
from core.store.jobs import End, Job, JobStore, NewJob, Place, Progress
from core.store.sketch import ERROR, bucket
from core.store.states import PRIORITIES, STATES, Priority
from core.store.statistics import Statistics

PREFIX = "statistics"


@pytest.fixture
def statistics(client: redis.Redis) -> Statistics:
    return Statistics(client, PREFIX)


@pytest.fixture
def jobs(client: redis.Redis) -> JobStore:
    return JobStore(client, PREFIX)


def act(jobs: JobStore, tenant: str, priority: Priority, fate: str) -> None:
    """Submit a job and lead it to where it is meant to be."""
    own = jobs.of(tenant)
    job, _ = own.submit(kind="convolve", spec="{}", priority=priority)
    if fate == "queued":
        return
    if fate == "cancelled":
        own.cancel(job.id)
        return
    claimed = claim(jobs, job)
    if fate == "waiting":
        child, _ = own.submit(kind="train", spec="{}", priority=priority)
        jobs.wait(job.id, claimed, "", [child.id])
    elif fate in ("succeeded", "failed"):
        jobs.finish(job.id, claimed, fate, progress=Progress(), timings={})  # type: ignore[arg-type]
    elif fate == "retried":
        jobs.finish(job.id, claimed, "failed", progress=Progress(), timings={})
        own.retry(job.id)
    elif fate == "deleted":
        jobs.finish(job.id, claimed, "succeeded", progress=Progress(), timings={})
        own.delete(job.id)
    elif fate == "lost":
        jobs.abandon(job.id, claimed, reason="", max_attempts=9)


def claim(jobs: JobStore, wanted: Job) -> int:
    """Claim jobs until it is this one's turn; the others go back."""
    others = []
    while True:
        (job,) = jobs.claim(worker="w", pid=1, lease=60)
        if job.id == wanted.id:
            break
        others.append(job)
    for other in others:
        jobs.release(other.id, other.attempt, "")
    return job.attempt


fates = st.sampled_from([*STATES, "retried", "deleted", "lost"])
stories = st.lists(
    st.tuples(st.sampled_from(["default", "lab"]), st.sampled_from(PRIORITIES), fates), max_size=8
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stories)
def test_counts_are_those_of_the_records(
    jobs: JobStore, statistics: Statistics, client: redis.Redis, story: Any
) -> None:
    client.flushdb()
    for tenant, priority, fate in story:
        act(jobs, tenant, priority, fate)
    happened = Counter((tenant, fate) for tenant, _, fate in story)
    for tenant in ("default", "lab"):
        own = jobs.of(tenant)
        records = [job for state in STATES for job in own.page(state=state, limit=99).jobs]
        now = Counter((job.priority, job.state) for job in records)
        for line in statistics.lines(tenant):
            since = [job.queued for job in records if job.state == "queued"
                     and job.priority == line.priority]  # fmt: skip
            assert line.ready == now[line.priority, "queued"] == len(since)
            assert line.running == now[line.priority, "running"]
            assert line.delayed == now[line.priority, "waiting"]
            assert line.since == min(since, default=None)
        for window in WINDOWS:
            past = total(statistics.past(tenant, window).points)
            deleted, retried = happened[tenant, "deleted"], happened[tenant, "retried"]
            assert past.submitted == len(records) + deleted
            assert past.succeeded == happened[tenant, "succeeded"] + deleted
            assert past.failed == happened[tenant, "failed"] + retried
            assert past.cancelled == happened[tenant, "cancelled"]
            assert sum(past.waited_in.values()) == past.ended
            assert sum(past.ran_in.values()) == past.succeeded + past.failed
    sums = Counter(statistics.sums())
    assert sums["attempts", "lost"] == sum(n for (_, fate), n in happened.items() if fate == "lost")
    assert sums["retried",] == sum(n for (_, fate), n in happened.items() if fate == "retried")
    assert sum(n for name, n in sums.items() if name[:2] == ("ended", "convolve")) == sum(
        n for (_, fate), n in happened.items()
        if fate in ("succeeded", "failed", "cancelled", "retried", "deleted")
    )  # fmt: skip


def test_jobs_of_one_script_count_each_also_where_one_goes_wrong(
    jobs: JobStore, statistics: Statistics, client: redis.Redis
) -> None:
    jobs.submit_many([NewJob(kind="convolve", spec="{}", alike="alike")] * 5)
    claimed = jobs.claim(worker="w", pid=1, lease=60, most=5)
    history = f"{PREFIX}:job:{claimed[2].id}:attempts"
    client.delete(history)
    client.set(history, "of a wrong type")
    ends = [End(job.id, job.attempt, "succeeded", Progress(), timings={}) for job in claimed]
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        jobs.finish_many(ends)
    past = total(statistics.past("default", "hour").points)
    assert (past.submitted, past.succeeded) == (5, 4)
    sums = Counter(statistics.sums())
    assert (sums["submitted", "convolve"], sums["ended", "convolve", "succeeded"]) == (5, 4)


def test_a_script_that_fails_counts_what_it_has_changed(
    jobs: JobStore, statistics: Statistics, client: redis.Redis
) -> None:
    parent, _ = jobs.submit(kind="convolve", spec="{}")
    attempt = claim(jobs, parent)
    child, _ = jobs.submit(kind="convolve", spec="{}", begun_by=Place(parent.id, attempt, "child"))
    jobs.wait(parent.id, attempt, "", [child.id])
    client.hset(f"{PREFIX}:job:{parent.id}", "progress", "no JSON")
    with pytest.raises(redis.ResponseError):
        jobs.cancel(child.id)
    assert jobs.get(child.id).state == "cancelled"
    assert total(statistics.past("default", "hour").points).cancelled == 1


def timed(client: redis.Redis, jobs: JobStore, waited: int, ran: int) -> None:
    """Let a job end that has waited and run for so many milliseconds."""
    job, _ = jobs.submit(kind="convolve", spec="{}")
    (claimed,) = jobs.claim(worker="w", pid=1, lease=60)
    key = f"{PREFIX}:job:{job.id}"
    started = int(client.hget(key, "started") or 0) - ran
    client.hset(key, mapping={"started": started, "queued": started - waited})
    jobs.finish(job.id, claimed.attempt, "succeeded", progress=Progress(), timings={})


def test_times_are_counted_in_their_buckets(
    jobs: JobStore, statistics: Statistics, client: redis.Redis
) -> None:
    hour = 3_600_000
    for waited, ran in ((0, hour), (300, hour), (7_000, 2 * hour), (86_400_000, 10**9)):
        timed(client, jobs, waited, ran)
    past = total(statistics.past("default", "hour").points)
    assert past.waited_in == Counter(map(bucket, (0, 300, 7_000, 86_400_000)))
    # A job also ran for the moment in which the test made it old.
    for share, exact in (("p50", 3600), ("p99", 10**6)):
        assert getattr(past.ran, share) == pytest.approx(exact, rel=2 * ERROR)
    sums = statistics.sums()
    assert sums["waited_ms", "convolve"] == 86_407_300
    assert sums["ran_ms", "convolve"] >= 10**9 + 4 * hour


@pytest.mark.parametrize("window", WINDOWS)
def test_buckets_end_with_the_one_that_is_open_and_are_forgotten(
    jobs: JobStore, statistics: Statistics, client: redis.Redis, window: Window
) -> None:
    jobs.submit(kind="convolve", spec="{}")
    past = statistics.past("default", window)
    seconds, count = WINDOWS[window]
    assert len(past.points) == count
    assert [point.at % seconds for point in past.points] == [0] * count
    assert past.points[-1].at <= past.now < past.points[-1].at + seconds
    assert statistics.past("default", window, last=3).points[-1].at >= past.points[-1].at
    assert len(statistics.past("default", window, last=3).points) == 3
    (key,) = client.keys(f"{PREFIX}:history:{seconds}:*")
    # Kept for as long as the window shows it, and not for ever.
    assert seconds * count <= client.ttl(key) <= 3 * seconds * count


def test_workers_add_to_the_sums(statistics: Statistics) -> None:
    statistics.add({"planned:direct": 2, "planned:fft": 1})
    statistics.add({"planned:direct": 3})
    assert statistics.sums() == {("planned", "direct"): 5, ("planned", "fft"): 1}


def test_figures_of_plans_are_within_the_error_of_the_sketch(statistics: Statistics) -> None:
    microseconds = [70, 300, 300, 1200, 90_000]
    ratios = [0.5, 1.0, 1.1, 1.7, 3.0]
    numbers: Counter[str] = Counter()
    for time, ratio in zip(microseconds, ratios, strict=True):
        numbers[f"computed:direct:{bucket(time)}"] += 1
        numbers[f"overrun:direct:{bucket(64 * ratio)}"] += 1
        numbers["computed_us:direct"] += time
    numbers[f"regret:separable:{bucket(64 * 2.0)}"] += 1
    statistics.add(numbers)
    direct, separable = statistics.plans()
    assert (direct.algorithm, direct.inputs) == ("direct", 5)
    # Rounded to three figures, too.
    assert direct.seconds == pytest.approx([300e-6, 0.09, 0.09], rel=ERROR + 0.005)
    assert direct.overrun == pytest.approx([1.1, 3.0, 3.0], rel=ERROR + 0.005)
    assert direct.regret == [None] * 3
    assert (separable.algorithm, separable.inputs) == ("separable", 0)
    assert separable.regret == pytest.approx([2.0] * 3, rel=ERROR + 0.005)
