"""What a job saves to go on from, and what it tells meanwhile, against a real Redis."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from core.errors import NotFound
from core.store.artifacts import ArtifactStore
from core.store.garbage import Garbage
from core.store.jobs import Job, JobStore, Progress


@pytest.fixture
def job(jobs: JobStore) -> Job:
    return jobs.submit(kind="scripted", spec="{}", artifacts=[])[0]


def claim(jobs: JobStore, job: Job, lease: float = 60) -> int:
    (claimed,) = jobs.claim(worker="w1", pid=1, lease=lease)
    assert claimed.id == job.id
    return claimed.attempt


def put(artifacts: ArtifactStore, text: str) -> str:
    return artifacts.put(text.encode(), "application/octet-stream").digest


def references(client: Any, digest: str) -> int:
    return int(client.hget(f"convq:artifact:{digest}", "refs"))


def metrics(jobs: JobStore, job: Job) -> list[dict[str, Any]]:
    return [event.data for event in jobs.events(job.id) if event.event == "metrics"]


def finish(jobs: JobStore, job: Job, attempt: int, state: Any) -> None:
    assert jobs.finish(job.id, attempt, state, progress=Progress(), timings={})


def test_a_checkpoint_replaces_the_one_before_which_is_swept(
    jobs: JobStore, artifacts: ArtifactStore, garbage: Garbage, client: Any, job: Job
) -> None:
    first, second = put(artifacts, "first"), put(artifacts, "second")
    attempt = claim(jobs, job)
    assert jobs.checkpoint(job.id, attempt, first) == "kept"
    assert jobs.checkpoint(job.id, attempt, first) == "kept"
    assert references(client, first) == 1
    assert jobs.checkpoint(job.id, attempt, second) == "kept"
    saved = jobs.get(job.id)
    assert saved.checkpoint == second
    assert saved.checkpointed == pytest.approx(time.time(), abs=5)
    assert garbage.sweep(age=3600) == 1
    assert artifacts.read(second) == b"second"
    with pytest.raises(NotFound):
        artifacts.get(first)


def test_a_dropped_checkpoint_that_is_uploaded_again_stays(
    jobs: JobStore, artifacts: ArtifactStore, garbage: Garbage, job: Job
) -> None:
    first, second = put(artifacts, "first"), put(artifacts, "second")
    attempt = claim(jobs, job)
    jobs.checkpoint(job.id, attempt, first)
    jobs.checkpoint(job.id, attempt, second)
    put(artifacts, "first")
    assert garbage.sweep(age=3600) == 0


def test_bytes_that_the_job_needs_otherwise_outlive_their_time_as_checkpoint(
    jobs: JobStore, artifacts: ArtifactStore, garbage: Garbage, client: Any
) -> None:
    data, later = put(artifacts, "data"), put(artifacts, "later")
    job, _ = jobs.submit(kind="scripted", spec="{}", artifacts=[data])
    attempt = claim(jobs, job)
    jobs.checkpoint(job.id, attempt, data)
    jobs.checkpoint(job.id, attempt, later)
    assert references(client, data) == 1
    assert garbage.sweep(age=3600) == 0


def test_only_the_owner_keeps_checkpoints_and_reports(
    jobs: JobStore, artifacts: ArtifactStore, job: Job
) -> None:
    digest = put(artifacts, "state")
    first = claim(jobs, job, lease=0.001)
    time.sleep(0.01)
    jobs.expire(max_attempts=3)
    second = claim(jobs, job)
    assert jobs.checkpoint(job.id, first, digest) == "lost"
    assert not jobs.report(job.id, first, "{}", lasts=True)
    assert (jobs.get(job.id).checkpoint, jobs.get(job.id).metrics) == (None, None)
    assert jobs.checkpoint(job.id, second, digest) == "kept"


def test_a_checkpoint_that_is_not_stored_is_not_kept(jobs: JobStore, job: Job) -> None:
    assert jobs.checkpoint(job.id, claim(jobs, job), "sha256:" + "0" * 64) == "missing"


@pytest.mark.parametrize(
    ("state", "keeps"), [("succeeded", False), ("failed", True), ("cancelled", True)]
)
def test_what_did_not_succeed_keeps_its_checkpoint_until_it_is_deleted(
    jobs: JobStore, artifacts: ArtifactStore, garbage: Garbage, job: Job, state: str, keeps: bool
) -> None:
    digest = put(artifacts, "state")
    attempt = claim(jobs, job)
    jobs.checkpoint(job.id, attempt, digest)
    finish(jobs, job, attempt, state)
    assert (jobs.get(job.id).checkpoint == digest) is keeps
    assert garbage.sweep(age=3600) == int(not keeps)
    jobs.delete(job.id)
    assert garbage.sweep(age=3600) == int(keeps)


def test_a_retried_job_has_its_checkpoint_and_its_metrics(
    jobs: JobStore, artifacts: ArtifactStore, job: Job
) -> None:
    digest = put(artifacts, "state")
    attempt = claim(jobs, job)
    jobs.report(job.id, attempt, '{"loss":1.5}', lasts=False)
    jobs.checkpoint(job.id, attempt, digest)
    jobs.cancel(job.id)
    finish(jobs, job, attempt, "cancelled")
    jobs.retry(job.id)
    again = jobs.get(job.id)
    assert (again.state, again.checkpoint, again.metrics) == ("queued", digest, {"loss": 1.5})


def test_a_retried_job_without_a_checkpoint_has_no_metrics(jobs: JobStore, job: Job) -> None:
    attempt = claim(jobs, job)
    jobs.report(job.id, attempt, '{"loss":1.5}', lasts=False)
    finish(jobs, job, attempt, "failed")
    jobs.retry(job.id)
    assert jobs.get(job.id).metrics is None


def test_progress_between_losses_makes_no_poison(
    jobs: JobStore, artifacts: ArtifactStore, job: Job
) -> None:
    for number in range(6):
        attempt = claim(jobs, job, lease=60)
        assert jobs.checkpoint(job.id, attempt, put(artifacts, str(number))) == "kept"
        assert jobs.abandon(job.id, attempt, reason="died", max_attempts=2) == "queued"


def test_losses_without_progress_do(jobs: JobStore, artifacts: ArtifactStore, job: Job) -> None:
    digest = put(artifacts, "state")
    for expected in ("queued", "failed"):
        attempt = claim(jobs, job)
        jobs.checkpoint(job.id, attempt, digest)
        assert jobs.abandon(job.id, attempt, reason="died", max_attempts=2) == expected


def test_continuing_is_no_loss_and_stands_in_the_history(jobs: JobStore, job: Job) -> None:
    for _ in range(5):
        assert jobs.release(job.id, claim(jobs, job), "a piece was over", "continued")
    assert jobs.get(job.id).state == "queued"
    assert [attempt.outcome for attempt in jobs.attempts(job.id)] == ["continued"] * 5


def test_passing_reports_replace_each_other_and_history_lasts(jobs: JobStore, job: Job) -> None:
    attempt = claim(jobs, job)
    for step in range(10):
        for passing in range(5):
            jobs.report(job.id, attempt, json.dumps({"step": step + passing / 10}), lasts=False)
        jobs.report(job.id, attempt, json.dumps({"epoch": step}), lasts=True)
    jobs.report(job.id, attempt, '{"step":10.5}', lasts=False)
    assert metrics(jobs, job) == [{"epoch": step} for step in range(10)] + [{"step": 10.5}]
    assert jobs.get(job.id).metrics == {"step": 10.5}


def test_an_event_stream_has_a_bounded_length(jobs: JobStore, job: Job) -> None:
    attempt = claim(jobs, job)
    for _ in range(2300):
        jobs.report(job.id, attempt, "{}", lasts=True)
    assert 2000 <= len(jobs.events(job.id)) < 2200
