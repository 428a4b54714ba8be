"""A process that does not answer a cancel is killed, and no other."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import redis

from core.settings import Settings
from core.store.jobs import JobStore
from workers.warden import Warden

HERE = socket.gethostname()


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def sent() -> list[str]:
    return []


@pytest.fixture
def warden(client: redis.Redis, settings: Settings, sent: list[str]) -> Warden:
    return Warden(
        client,
        settings.model_copy(update={"cancel_grace": 0.1}),
        "w1",
        lambda: sent.append("wake up"),
    )


def test_a_deaf_process_is_killed_after_the_grace(
    warden: Warden, jobs: JobStore, process: subprocess.Popen[bytes]
) -> None:
    job, _ = jobs.submit(kind="convolve", spec="{}", artifacts=[])
    jobs.claim(worker="w1", pid=process.pid, host=HERE, lease=60)
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
    jobs.claim(worker="w1", pid=process.pid, host=HERE, lease=60)
    for _ in range(3):
        warden.watch()
        time.sleep(0.06)
    assert process.poll() is None


def test_the_grace_starts_anew_for_each_job(
    warden: Warden, jobs: JobStore, process: subprocess.Popen[bytes]
) -> None:
    for _ in range(2):
        jobs.submit(kind="convolve", spec="{}", artifacts=[])
        (claimed,) = jobs.claim(worker="w1", pid=process.pid, host=HERE, lease=60)
        jobs.cancel(claimed.id)
        warden.watch()
        jobs.abandon(claimed.id, claimed.attempt, reason="stopped", max_attempts=3)
        time.sleep(0.12)
    warden.watch()
    assert process.poll() is None


@pytest.mark.parametrize(
    ("cancelled", "state", "messages"), [(False, "queued", 1), (True, "cancelled", 0)]
)
def test_a_job_whose_process_has_died_does_not_wait_for_its_lease(
    warden: Warden,
    jobs: JobStore,
    process: subprocess.Popen[bytes],
    sent: list[str],
    cancelled: bool,
    state: str,
    messages: int,
) -> None:
    job, _ = jobs.submit(kind="convolve", spec="{}", artifacts=[])
    jobs.claim(worker="w1", pid=process.pid, host=HERE, lease=60)
    warden.watch()
    assert jobs.get(job.id).state == "running"
    if cancelled:
        jobs.cancel(job.id)
    process.kill()
    process.wait()
    warden.watch()
    assert jobs.get(job.id).state == state
    assert jobs.attempts(job.id)[0].reason == "its process died"
    assert sent == ["wake up"] * messages


def test_a_process_that_nobody_has_looked_after_is_dead(
    warden: Warden, jobs: JobStore, process: subprocess.Popen[bytes]
) -> None:
    job, _ = jobs.submit(kind="convolve", spec="{}", artifacts=[])
    jobs.claim(worker="w1", pid=process.pid, host=HERE, lease=60)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    warden.watch()
    assert jobs.get(job.id).state == "queued"


@pytest.mark.parametrize("dead", [False, True])
def test_a_process_of_another_machine_is_neither_judged_nor_killed(
    warden: Warden,
    jobs: JobStore,
    process: subprocess.Popen[bytes],
    dead: bool,
) -> None:
    if dead:
        process.kill()
        process.wait()
    job, _ = jobs.submit(kind="convolve", spec="{}", artifacts=[])
    jobs.claim(worker="w1", pid=process.pid, host="elsewhere", lease=60)
    jobs.cancel(job.id)
    warden.watch()
    time.sleep(0.12)
    warden.watch()
    assert jobs.get(job.id).state == "running"
    assert (process.poll() is not None) is dead


def test_jobs_in_a_process_that_is_killed_for_another_are_given_back(
    warden: Warden,
    jobs: JobStore,
    client: redis.Redis,
    process: subprocess.Popen[bytes],
    sent: list[str],
) -> None:
    deaf, other = (jobs.submit(kind="convolve", spec="{}", artifacts=[])[0].id for _ in range(2))
    for _ in range(2):
        jobs.claim(worker="w1", pid=process.pid, host=HERE, lease=60)
    jobs.cancel(deaf)
    while process.poll() is None:
        warden.watch()
    warden.watch()
    assert [jobs.get(job).state for job in (deaf, other)] == ["cancelled", "queued"]
    assert [jobs.attempts(job)[0].outcome for job in (deaf, other)] == ["cancelled", "released"]
    assert client.hget(f"convq:job:{other}", "lost") == "0"
    # Again with the second job where the process died between the looks at both: the stand-in for
    # sending leaves no message that would be seen.
    assert sent in (["wake up"], ["wake up"] * 2)
