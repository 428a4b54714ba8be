"""A process that does not answer a cancel is killed, and no other."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import redis

from core.settings import Settings
from core.store.jobs import JobStore
from workers.warden import Warden


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def warden(client: redis.Redis, settings: Settings) -> Warden:
    return Warden(client, settings.model_copy(update={"cancel_grace": 0.1}), "w1")


def test_a_deaf_process_is_killed_after_the_grace(
    warden: Warden, jobs: JobStore, process: subprocess.Popen[bytes]
) -> None:
    job, _ = jobs.submit(kind="convolve", spec="{}", artifacts=[])
    jobs.claim(worker="w1", pid=process.pid, lease=60)
    warden.watch()
    jobs.cancel(job.id)
    warden.watch()
    assert process.poll() is None
    time.sleep(0.12)
    warden.watch()
    assert process.wait(5) == -9


def test_a_process_whose_job_was_not_cancelled_lives(
    warden: Warden, jobs: JobStore, process: subprocess.Popen[bytes]
) -> None:
    jobs.submit(kind="convolve", spec="{}", artifacts=[])
    jobs.claim(worker="w1", pid=process.pid, lease=60)
    for _ in range(3):
        warden.watch()
        time.sleep(0.06)
    assert process.poll() is None


def test_the_grace_starts_anew_for_each_job(
    warden: Warden, jobs: JobStore, process: subprocess.Popen[bytes]
) -> None:
    for _ in range(2):
        jobs.submit(kind="convolve", spec="{}", artifacts=[])
        (claimed,) = jobs.claim(worker="w1", pid=process.pid, lease=60)
        jobs.cancel(claimed.id)
        warden.watch()
        jobs.abandon(claimed.id, claimed.attempt, reason="stopped", max_attempts=3)
        time.sleep(0.12)
    warden.watch()
    assert process.poll() is None


def test_a_process_that_is_gone_already_is_no_trouble(
    warden: Warden, jobs: JobStore, process: subprocess.Popen[bytes]
) -> None:
    process.kill()
    process.wait()
    job, _ = jobs.submit(kind="convolve", spec="{}", artifacts=[])
    jobs.claim(worker="w1", pid=process.pid, lease=60)
    jobs.cancel(job.id)
    warden.watch()
    time.sleep(0.12)
    warden.watch()
