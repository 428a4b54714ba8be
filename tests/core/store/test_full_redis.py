"""A Redis that has reached its `maxmemory`: nothing is half done, and deleting makes room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
import redis
from redis.exceptions import OutOfMemoryError

from core.errors import RateLimited
from core.settings import Settings
from core.store.artifacts import ArtifactStore
from core.store.garbage import Garbage
from core.store.jobs import End, JobStore, Progress
from core.store.keys import KeyStore
from workers.patience import persist

Full = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def full(client: redis.Redis) -> Full:
    @contextmanager
    def reached() -> Iterator[None]:
        client.config_set("maxmemory", 1)
        try:
            yield
        finally:
            client.config_set("maxmemory", 0)

    return reached


def running(jobs: JobStore) -> tuple[str, int]:
    job, _ = jobs.submit(kind="convolve", spec="{}")
    (claimed,) = jobs.claim(worker="w", pid=1, lease=60)
    return job.id, claimed.attempt


def snapshot(raw: redis.Redis) -> dict[bytes | str, bytes | None]:
    return {key: raw.dump(key) for key in raw.keys("*")}


@pytest.fixture
def raw(settings: Settings) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(settings.redis_url) as found:
        yield found


def test_what_is_refused_has_changed_nothing(jobs: JobStore, raw: redis.Redis, full: Full) -> None:
    job, attempt = running(jobs)
    end = End(job, attempt, "succeeded", progress=Progress(), timings={})
    # Its worker has fallen silent.
    raw.zadd("convq:leases", {job: 1})
    before = snapshot(raw)
    with full():
        with pytest.raises(OutOfMemoryError):
            jobs.submit(kind="convolve", spec="{}")
        with pytest.raises(OutOfMemoryError):
            jobs.finish_many([end])
        with pytest.raises(OutOfMemoryError):
            jobs.expire(max_attempts=3)
    assert snapshot(raw) == before


def test_finished_work_waits_for_room(jobs: JobStore, raw: redis.Redis, full: Full) -> None:
    job, attempt = running(jobs)
    end = End(job, attempt, "succeeded", progress=Progress(), timings={})
    tries = 0

    def commit() -> list[bool]:
        nonlocal tries
        tries += 1
        if tries == 2:
            raw.config_set("maxmemory", 0)
        return jobs.finish_many([end]).done

    with full():
        assert persist(commit) == [True]
    assert tries == 2
    assert jobs.get(job).state == "succeeded"


def test_who_waits_for_room_keeps_the_job(jobs: JobStore, client: redis.Redis, full: Full) -> None:
    job, attempt = running(jobs)
    before = client.zscore("convq:leases", job)
    with full():
        assert jobs.renew(job, attempt, lease=90) == "ok"
    after = client.zscore("convq:leases", job)
    assert before is not None
    assert after is not None
    assert after > before


def test_keys_let_in(client: redis.Redis, full: Full) -> None:
    keys = KeyStore(client)
    key, text = keys.create(tenant="lab", scopes=["submit"])
    with full():
        for left in (2, 1, 0):
            allowance = keys.use(keys.verify(text), rate=0.001, burst=3)
            assert allowance is not None
            assert allowance.left == left
        with pytest.raises(RateLimited):
            keys.use(key, rate=0.001, burst=3)


def test_deleting_makes_room(
    jobs: JobStore, artifacts: ArtifactStore, garbage: Garbage, full: Full
) -> None:
    made = artifacts.put(b"result", "text/plain")
    job, attempt = running(jobs)
    jobs.finish(
        job, attempt, "succeeded", progress=Progress(), timings={}, artifacts=(made.digest,)
    )
    with full():
        jobs.delete(job)
        garbage.sweep(0)
    assert jobs.counts()["succeeded"] == 0
    assert artifacts.find([made.digest]) == {}
