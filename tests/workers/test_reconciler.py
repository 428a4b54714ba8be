"""What crashes leave behind is put right."""

from __future__ import annotations

import time
from typing import Any

import pytest
import redis

from core.settings import Settings
from core.store.artifacts import ArtifactStore
from core.store.files import Files
from core.store.jobs import Job, JobStore
from workers.reconciler import Reconciler

LIST = "convq:celery:convq"


@pytest.fixture
def reconciler(client: redis.Redis, settings: Settings) -> Reconciler:
    quick = settings.model_copy(update={"lease": 0.2, "resend_after": 0.5, "retention": 0.1})
    return Reconciler(client, quick, lambda: client.rpush(LIST, "wake up") and None)


def submit(jobs: JobStore) -> Job:
    return jobs.submit(kind="convolve", spec="{}", artifacts=[])[0]


def lose(jobs: JobStore, job: Job) -> None:
    jobs.claim(worker="w1", pid=1, lease=0.001)
    time.sleep(0.01)


def watch(reconciler: Reconciler, jobs: JobStore, job: Job) -> None:
    """Look often, as a lease asks for, until the worker's silence is noticed."""
    deadline = time.monotonic() + 60
    while jobs.get(job.id).state == "running":
        assert time.monotonic() < deadline
        time.sleep(0.05)
        reconciler.reconcile()


def test_a_silent_workers_job_is_queued_and_sent_again(
    reconciler: Reconciler, jobs: JobStore, client: Any
) -> None:
    job = submit(jobs)
    lose(jobs, job)
    reconciler.reconcile()
    time.sleep(0.1)
    reconciler.reconcile()
    assert client.llen(LIST) == 0  # it has not watched for a whole lease yet
    watch(reconciler, jobs, job)
    assert client.llen(LIST) == 1
    assert jobs.get(job.id).state == "queued"


def test_after_redis_was_away_leases_are_not_judged_at_once(
    reconciler: Reconciler, jobs: JobStore, client: Any
) -> None:
    reconciler.reconcile()
    time.sleep(0.15)
    reconciler.reconcile()
    job = submit(jobs)
    lose(jobs, job)
    time.sleep(0.3)  # no look for longer than a lease, as when Redis does not answer
    reconciler.reconcile()
    assert jobs.get(job.id).state == "running"


def test_a_poison_job_is_failed_and_not_sent(
    reconciler: Reconciler, jobs: JobStore, client: Any
) -> None:
    job = submit(jobs)
    reconciler.reconcile()
    for _ in range(3):
        lose(jobs, job)
        watch(reconciler, jobs, job)
    assert jobs.get(job.id).state == "failed"
    client.delete(LIST)
    time.sleep(0.6)
    reconciler.reconcile()
    assert client.llen(LIST) == 0


def test_a_lost_message_is_sent_again(
    reconciler: Reconciler, jobs: JobStore, client: redis.Redis, settings: Settings
) -> None:
    submit(jobs)
    Reconciler(client, settings, send=pytest.fail).reconcile()  # 5 s after it was queued
    time.sleep(0.6)
    reconciler.reconcile()
    reconciler.reconcile()
    assert client.llen(LIST) == 1


def test_a_message_that_is_there_is_not_repeated(
    reconciler: Reconciler, jobs: JobStore, client: Any
) -> None:
    submit(jobs)
    client.rpush(LIST, "a message")
    time.sleep(0.6)
    reconciler.reconcile()
    assert client.llen(LIST) == 1


def test_what_outlived_its_retention_is_swept(
    reconciler: Reconciler, jobs: JobStore, artifacts: ArtifactStore, client: Any
) -> None:
    used = artifacts.put(b"used", "application/octet-stream")
    job, _ = jobs.submit(kind="convolve", spec="{}", artifacts=[used.digest])
    time.sleep(0.12)
    reconciler.sweep()
    assert artifacts.read(used.digest) == b"used"
    jobs.cancel(job.id)
    for _ in range(3):
        time.sleep(0.12)
        reconciler.sweep()
    # Counts of the past are kept for as long as they are shown.
    counts = ("convq:history:", "convq:sums")
    left = [key for key in client.keys("*") if not key.startswith(counts)]
    assert left == ["convq:collected"]


def test_one_of_all_workers_compares_records_and_files(
    reconciler: Reconciler, settings: Settings, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = []
    monkeypatch.setattr(Files, "listed", lambda self: iter(listed.append(self) or ()))
    another = Reconciler(client, settings, send=lambda: None)
    for one in (reconciler, another, reconciler, another):
        one.sweep()
    assert len(listed) == 1
    assert 0 < client.pttl("convq:collected") <= 60 * settings.sweep_interval * 1000
    client.delete("convq:collected")
    another.sweep()
    assert len(listed) == 2
