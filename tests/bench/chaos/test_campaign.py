"""From when to when a fault held a job up."""

from __future__ import annotations

import time
from typing import Any

from bench.chaos.campaign import recovery
from core.store.jobs import JobStore


def _begun(jobs: JobStore) -> Any:
    jobs.submit(kind="convolve", spec="{}", artifacts=[], total=1)
    return _claimed(jobs)


def _claimed(jobs: JobStore) -> Any:
    (job,) = jobs.claim(worker="w", pid=1, lease=60)
    return job


def test_a_struck_job_counts_until_it_runs_again(jobs: JobStore) -> None:
    job = _begun(jobs)
    since = jobs.attempts(job.id)[0].started
    assert recovery(jobs, since, job.id) is None
    time.sleep(0.01)  # Times are told in milliseconds.
    jobs.abandon(job.id, job.attempt, reason="its process died", max_attempts=3)
    assert recovery(jobs, since, job.id) is None
    again = _claimed(jobs)
    found = recovery(jobs, since, job.id)
    assert found == jobs.attempts(again.id)[1].started - since


def test_a_job_that_went_on_counts_until_the_end_of_its_piece(jobs: JobStore) -> None:
    job = _begun(jobs)
    since = jobs.attempts(job.id)[0].started
    time.sleep(0.01)
    jobs.release(job.id, job.attempt, "this piece was over", "continued")
    over = jobs.attempts(job.id)[0].ended
    assert over is not None
    assert recovery(jobs, since, job.id) == over - since
    time.sleep(0.01)
    _claimed(jobs)
    assert recovery(jobs, since, job.id) == over - since
