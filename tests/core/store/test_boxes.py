"""Queues of boxes beside the one of workers, against a list that is searched from end to end."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import QueueFull
from core.store.edge import EdgeStore
from core.store.jobs import Boxes, JobStore, Limits, NewJob
from core.store.states import PRIORITIES
from core.store.statistics import Statistics

MODELS = ["sha256:" + digit * 64 for digit in "ab"]
WHO = [None, *(Boxes(group, model) for group in ("cams", "doors") for model in MODELS)]


def submit(jobs: JobStore, boxes: Boxes | None, limits: Limits | None = None, **more: Any) -> Any:
    new = NewJob(kind="predict", spec="{}", boxes=boxes, **more)
    (answer,), _ = jobs.submit_many([new], limits)
    return answer


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["submit", "claim", "cancel"]),
            st.sampled_from(WHO),
            st.sampled_from(["lab", "shop"]),
            st.sampled_from(PRIORITIES),
        ),
        max_size=40,
    )
)
def test_everybody_gets_their_own_jobs_in_the_order_of_all_queues(
    client: redis.Redis, steps: list[tuple[str, Boxes | None, str, Any]]
) -> None:
    client.flushdb()
    jobs = JobStore(client)
    for tenant in ("lab", "shop"):
        for group in ("cams", "doors"):
            EdgeStore(client).of(tenant).invite(group, 60)
    queued: list[tuple[Boxes | None, str, Any, str]] = []

    def best(boxes: Boxes, tenant: str) -> str | None:
        mine = [entry for entry in queued if entry[:2] == (boxes, tenant)]
        mine.sort(key=lambda entry: PRIORITIES.index(entry[2]))
        return mine[0][3] if mine else None

    for step, boxes, tenant, priority in steps:
        if step == "submit":
            job, is_new = submit(jobs.of(tenant), boxes, priority=priority)
            assert is_new
            assert job.group == (boxes and boxes.group)
            queued.append((boxes, tenant, priority, job.id))
        elif step == "cancel" and queued:
            assert jobs.cancel(queued.pop(len(queued) // 2)[3]) == "cancelled"
        elif step == "claim" and boxes is not None:
            expected = best(boxes, tenant)
            claimed = jobs.of(tenant).claim(worker="box", pid=1, lease=60, boxes=boxes)
            assert [job.id for job in claimed] == [expected] * (expected is not None)
            queued = [entry for entry in queued if entry[3] != expected]
    # Workers see what is theirs, whoever else has how much.
    theirs = [entry[3] for entry in queued if entry[0] is None]
    assert jobs.missing_messages(0) == min(len(theirs), 16)
    for tenant in ("lab", "shop"):
        ready = {line.priority: line.ready for line in Statistics(client).lines(tenant)}
        for priority in PRIORITIES:
            assert ready[priority] == sum(entry[1:3] == (tenant, priority) for entry in queued)
    claimed_by_workers = []
    while found := jobs.claim(worker="w", pid=1, lease=60):
        claimed_by_workers += [job.id for job in found]
    assert sorted(claimed_by_workers) == sorted(theirs)


def test_limits_count_the_jobs_of_boxes(client: redis.Redis) -> None:
    jobs = JobStore(client)
    limits = Limits(queued=3, queued_of_tenant=2)
    lab, shop = jobs.of("lab"), jobs.of("shop")
    boxes = Boxes("cams", MODELS[0])
    assert submit(lab, boxes, limits)[1]
    assert submit(lab, None, limits)[1]
    assert isinstance(submit(lab, boxes, limits), QueueFull)
    assert submit(shop, boxes, limits)[1]
    assert isinstance(submit(shop, None, limits), QueueFull)


@pytest.mark.parametrize("count", [3, 150])
def test_jobs_for_a_model_that_nobody_runs_fail_a_hundred_at_a_time(
    client: redis.Redis, count: int
) -> None:
    edge, jobs = EdgeStore(client), JobStore(client)
    edge.invite("cams", 60)
    new = NewJob(kind="predict", spec="{}", boxes=Boxes("cams", MODELS[0]))
    jobs.submit_many([new] * count)
    assert edge.supersede("cams") == min(count, 100)
    assert edge.supersede("cams") == max(0, count - 100)
    assert jobs.counts()["failed"] == count
    left = client.keys("convq:edge:group:cams:*")
    assert sorted(left) == ["convq:edge:group:cams:bell"]
    # Who tries one again hears the same again.
    job = jobs.page(limit=1).jobs[0]
    jobs.retry(job.id)
    assert edge.supersede("cams") == 1
    assert jobs.get(job.id).error == job.error
