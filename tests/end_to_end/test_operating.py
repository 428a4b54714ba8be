"""What users and operators may count on: one job per key, pauses, drains, cancels, room."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

import convq
from convq.stack import LocalStack
from core.errors import Unavailable
from core.settings import Settings
from core.store.connection import connect
from core.store.jobs import JobStore

pytestmark = pytest.mark.stack

SMALL = np.arange(400, dtype=np.float32).reshape(20, 20)
BOX = {"preset": "box"}


def store(stack: LocalStack) -> JobStore:
    return JobStore(connect(Settings(redis_url=stack.redis_url)))


def wait_until(happened: Callable[[], Any], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_thousand_posts_with_one_key_make_one_job(
    stack: LocalStack, client: convq.Client
) -> None:
    body = {
        "kind": "convolve",
        "inputs": [client.upload(SMALL).digest],
        "kernel": BOX,
        "label": "one-of-a-thousand",
    }
    gate = threading.Barrier(25)

    def post(_: int) -> list[tuple[int, str]]:
        with httpx.Client(base_url=stack.url, timeout=60) as http:
            gate.wait()
            answers = [
                http.post("/v1/jobs", json=body, headers={"Idempotency-Key": "thousand"})
                for _ in range(40)
            ]
        return [(answer.status_code, answer.json()["id"]) for answer in answers]

    with ThreadPoolExecutor(25) as pool:
        answers = [answer for some in pool.map(post, range(25)) for answer in some]
    assert len(answers) == 1000
    assert len({job_id for _, job_id in answers}) == 1
    assert Counter(status for status, _ in answers).keys() <= {200, 202}
    assert len(list(client.jobs(label="one-of-a-thousand"))) == 1
    assert len(client.wait(answers[0][1], timeout=60).attempts) == 1


def test_what_was_accepted_survives_the_death_of_everything_and_an_absence_of_redis(
    own_stack: LocalStack, own_client: convq.Client
) -> None:
    assert own_stack.redis is not None
    assert own_stack._api is not None
    assert own_stack._supervisor is not None
    victims = [own_stack.redis.process.pid, own_stack._api.pid, *own_stack.worker_pids()]
    job = own_client.submit(inputs=[SMALL], kernel=BOX)
    for pid in victims:
        os.killpg(pid, signal.SIGKILL)

    def ended() -> bool:
        try:
            return own_client.job(job.id).ended
        except Unavailable:
            return False

    wait_until(ended)
    assert own_client.job(job.id).state == "succeeded"

    with own_stack._supervisor.looking_away():
        own_stack.redis.kill()
        start = time.monotonic()
        answer = httpx.get(f"{own_stack.url}/v1/jobs")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert "Retry-After" in answer.headers
        assert time.monotonic() - start < 10  # within 2 s where nothing else runs
        own_stack.redis.start()
    again = own_client.submit(inputs=[SMALL], kernel=BOX)
    assert own_client.wait(again, timeout=60).state == "succeeded"


def test_a_paused_queue_and_a_drained_worker_begin_nothing_until_they_are_resumed(
    own_client: convq.Client, own_stack: LocalStack, own_jobs: Any
) -> None:
    assert own_client.pause().paused
    jobs = [own_client.submit(inputs=[SMALL + n], kernel=BOX) for n in range(5)]
    end = time.monotonic() + 1.5  # longer than messages are waited for before they are sent again
    while time.monotonic() < end:
        assert {own_client.job(job.id).state for job in jobs} == {"queued"}
    assert not own_client.resume().paused
    for job in jobs:
        assert len(own_client.wait(job, timeout=60).attempts) == 1

    # The same with one worker.
    slow = own_jobs.submit_slow()
    own_jobs.wait_for(slow, "running")
    assert own_client.drain_worker("worker-1").state == "draining"
    own_jobs.wait_for(slow, "queued")
    assert [attempt.outcome for attempt in own_client.job(slow.id).attempts] == ["released"]
    own_client.cancel(slow)
    job = own_client.submit(inputs=[SMALL], kernel=BOX)
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        assert own_client.job(job.id).state == "queued"
    own_client.resume_worker("worker-1")
    assert own_client.wait(job, timeout=60).state == "succeeded"
    assert own_stack.stop() == []


def test_cancels_are_answered_soon(client: convq.Client, jobs_at: Any) -> None:
    running = jobs_at.submit_slow()
    jobs_at.wait_for(running, "running")
    queued = client.submit(inputs=[SMALL], kernel=BOX)
    start = time.monotonic()
    assert client.cancel(queued).state == "cancelled"
    assert time.monotonic() - start < 10  # 0.1 s where nothing else runs
    start = time.monotonic()
    client.cancel(running)
    jobs_at.wait_for(running, "cancelled")
    assert time.monotonic() - start < 10  # 1 s where nothing else runs
    assert [attempt.outcome for attempt in client.job(running.id).attempts] == ["cancelled"]


def test_a_process_that_has_grown_is_replaced_and_no_job_suffers(tmp_path: Path) -> None:
    data = tmp_path / "data"
    # Less than any Python takes: every process has grown.
    settings = {"worker_memory": 1 << 20, "drain": 2, "store_url": str(data / "artifacts")}
    pids: set[int | None] = set()
    end = time.monotonic() + 120
    with LocalStack(data, settings=settings) as stack, convq.Client(stack.url) as client:
        # What comes while it looks for more is still run by the process that has grown.
        while len(pids) < 2:
            assert time.monotonic() < end
            job = client.wait(client.submit(inputs=[SMALL], kernel=BOX), timeout=120)
            assert [attempt.outcome for attempt in job.attempts] == ["succeeded"]
            pids.add(store(stack).get(job.id).pid)
    assert "more than CONVQ_WORKER_MEMORY (1 MiB)" in (data / "logs" / "worker-1.log").read_text()
