"""What was accepted is done, once, whatever dies meanwhile."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import numpy as np
import pytest

import convq
from convq.stack import LocalStack
from core.settings import Settings
from core.store.connection import connect
from core.store.jobs import JobStore

pytestmark = pytest.mark.stack

SMALL = np.arange(400, dtype=np.float32).reshape(20, 20)
BOX = {"preset": "box"}


def store(stack: LocalStack) -> JobStore:
    return JobStore(connect(Settings(redis_url=stack.redis_url)))


def assert_done_once(client: convq.Client, job: Any, attempts: int = 2) -> list[str]:
    """Wait for the job, and return how its attempts ended: the last one alone succeeded."""
    done = client.wait(job, timeout=60)
    assert (done.state, done.error) == ("succeeded", None)
    outcomes = [attempt.outcome for attempt in done.attempts]
    assert len(outcomes) == attempts
    assert outcomes.index("succeeded") == attempts - 1
    assert len(client.results(done).results) == 1
    states = [event.data["state"] for event in client.events(done) if event.name == "state"]
    assert states.count("succeeded") == 1
    return outcomes


@pytest.mark.parametrize("victim", ["child", "worker"])
def test_a_killed_worker_loses_nothing(
    own_stack: LocalStack, own_client: convq.Client, own_jobs: Any, victim: str
) -> None:
    job = own_jobs.submit_slow(size=9)
    own_jobs.wait_for(job, "running")
    start = time.monotonic()
    if victim == "child":
        os.kill(store(own_stack).get(job.id).pid, signal.SIGKILL)
    else:
        own_stack.kill_worker()
    # Whether its death is seen or the end of its lease comes first, the job is queued again once.
    assert assert_done_once(own_client, job)[0] in ("lost", "expired")
    assert time.monotonic() - start < 30


def test_a_job_that_kills_its_worker_is_failed_and_the_next_one_runs(
    own_stack: LocalStack, own_client: convq.Client, own_jobs: Any
) -> None:
    poison = own_jobs.submit_slow()
    other = own_client.submit(inputs=[SMALL], kernel=BOX)
    jobs = store(own_stack)
    for attempt in (1, 2, 3):
        while jobs.get(poison.id).attempt < attempt:
            time.sleep(0.01)
        own_jobs.wait_for(poison, "running")
        os.kill(jobs.get(poison.id).pid, signal.SIGKILL)
    failed = own_jobs.wait_for(poison, "failed")
    assert failed.error.code == "poison"
    assert len(failed.attempts) == 3
    assert own_client.wait(other, timeout=30).state == "succeeded"


def test_a_frozen_worker_is_fenced_off(
    own_stack: LocalStack, own_client: convq.Client, own_jobs: Any
) -> None:
    job = own_jobs.submit_slow(size=15)
    own_jobs.wait_for(job, "running")
    jobs = store(own_stack)
    child = jobs.get(job.id).pid
    os.kill(child, signal.SIGSTOP)
    try:
        # The parent lives, so its reconciler takes the job from its own frozen child.
        own_jobs.wait_for(job, "queued", timeout=15)
    finally:
        os.kill(child, signal.SIGCONT)
    assert assert_done_once(own_client, job) == ["expired", "succeeded"]


@pytest.mark.parametrize("crash", [False, True])
def test_accepted_jobs_survive_a_restart_of_redis(
    own_stack: LocalStack, own_client: convq.Client, own_jobs: Any, crash: bool
) -> None:
    running = own_jobs.submit_slow(size=11)
    waiting = [own_client.submit(inputs=[SMALL + n], kernel=BOX) for n in range(20)]
    own_jobs.wait_for(running, "running")
    own_stack.restart_redis(crash=crash)
    for job in [running, *waiting]:
        done = own_client.wait(job, timeout=60)
        assert (done.state, len(own_client.results(done).results)) == ("succeeded", 1)


def test_a_lost_message_is_sent_again(
    own_stack: LocalStack, own_client: convq.Client, own_jobs: Any
) -> None:
    own_jobs.wait_for(own_jobs.submit_slow(size=9), "running")
    job = own_client.submit(inputs=[SMALL], kernel=BOX)
    redis = connect(Settings(redis_url=own_stack.redis_url))
    assert redis.delete("convq:celery:convq") == 1
    assert_done_once(own_client, job, attempts=1)


def test_a_message_that_was_popped_and_never_seen_is_sent_again(
    own_stack: LocalStack, own_client: convq.Client
) -> None:
    # Redis hands the message to the frozen worker's blocking pop, or to us if none is open.
    os.kill(own_stack.worker_pids()[0], signal.SIGSTOP)
    job = own_client.submit(inputs=[SMALL], kernel=BOX)
    redis = connect(Settings(redis_url=own_stack.redis_url))
    while redis.rpop("convq:celery:convq"):
        pass
    own_stack.kill_worker()
    assert_done_once(own_client, job, attempts=1)


def test_a_message_delivered_twice_runs_once(
    own_stack: LocalStack, own_client: convq.Client, own_jobs: Any
) -> None:
    own_jobs.wait_for(own_jobs.submit_slow(size=9), "running")
    job = own_client.submit(inputs=[SMALL], kernel=BOX)
    redis = connect(Settings(redis_url=own_stack.redis_url))
    # On a busy machine it may have been sent again already.
    message, *_ = redis.lrange("convq:celery:convq", 0, -1)
    redis.rpush("convq:celery:convq", message, message)
    assert_done_once(own_client, job, attempts=1)
    while redis.llen("convq:celery:convq"):
        time.sleep(0.01)
    assert [attempt.outcome for attempt in own_client.job(job.id).attempts] == ["succeeded"]


def test_a_restart_of_the_whole_stack_keeps_jobs_and_results(
    own_stack: LocalStack, own_client: convq.Client, own_jobs: Any
) -> None:
    done = own_client.wait(own_client.submit(inputs=[SMALL], kernel=BOX))
    before = own_client.result(done)
    interrupted = own_jobs.submit_slow(size=15)
    waiting = own_client.submit(inputs=[SMALL], kernel={"preset": "sharpen"})
    own_jobs.wait_for(interrupted, "running")
    own_stack.stop()
    own_stack.start()
    with convq.Client(own_stack.url) as client:
        np.testing.assert_array_equal(client.result(client.job(done.id)), before)
        assert client.wait(waiting, timeout=60).state == "succeeded"
        again = client.wait(interrupted, timeout=60)
        assert again.state == "succeeded"
        assert [attempt.outcome for attempt in again.attempts][-1] == "succeeded"


def test_a_process_that_does_not_answer_a_cancel_is_killed(
    own_stack: LocalStack, own_jobs: Any, own_client: convq.Client
) -> None:
    job = own_jobs.submit_slow()
    own_jobs.wait_for(job, "running")
    child = store(own_stack).get(job.id).pid
    os.kill(child, signal.SIGSTOP)
    own_client.cancel(job)
    own_jobs.wait_for(job, "cancelled", timeout=10)
    after = own_client.wait(own_client.submit(inputs=[SMALL], kernel=BOX), timeout=30)
    assert after.state == "succeeded"
