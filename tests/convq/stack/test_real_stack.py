"""The stack with the real API and real workers."""

import signal

import numpy as np
import pytest

from convq.client import Client
from convq.stack import LocalStack

pytestmark = pytest.mark.stack

IMAGE = np.random.default_rng(7).random((3000, 3000), dtype=np.float32)
MEAN = {"values": [[0.25, 0.25], [0.25, 0.25]]}
# Long enough to be in the middle of it; pieces small enough to be interrupted.
LONG = {"kernel": {"preset": "box", "size": 31}, "method": "direct"}


@pytest.fixture(autouse=True)
def no_outside_services(monkeypatch):
    for name in ("CONVQ_REDIS_URL", "CONVQ_STORE_URL"):
        monkeypatch.delenv(name, raising=False)


def url_in(printed):
    return next(line.split()[1] for line in printed.splitlines() if line.startswith("service"))


def test_kill_9_in_the_middle_of_a_job_leaves_no_process_and_loses_no_job(
    serving, tmp_path, processes_of, eventually
):
    with serving(tmp_path, CONVQ_LEASE="1") as serve:
        serve.read_until("Ctrl-C")
        with Client(url_in(serve.printed)) as client:
            job = client.submit("convolve", inputs=[IMAGE], **LONG)
            assert eventually(lambda: client.job(job).state == "running")
        # serve, Redis, API, the worker and the process that computes, at the least.
        assert len(processes_of(tmp_path)) >= 5
        assert serve.end(signal.SIGKILL) == -signal.SIGKILL
    assert eventually(lambda: processes_of(tmp_path) == [])
    settings = {"lease": 1, "reconcile_interval": 0.2, "drain": 0.5}
    with LocalStack(tmp_path, settings=settings) as stack, Client(stack.url) as client:
        ended = client.wait(job.id, timeout=60)
        assert ended.state == "succeeded"
        first, last = (attempt.outcome for attempt in ended.attempts)
        assert (first in ("lost", "expired"), last) == (True, "succeeded")
    assert processes_of(tmp_path) == []


def test_a_second_start_shows_the_old_jobs_and_results(tmp_path):
    stack = LocalStack(tmp_path, settings={"drain": 0.5})
    x = np.arange(12.0).reshape(3, 4)
    with stack, Client(stack.url) as client:
        job = client.submit("convolve", inputs=[x], kernel=MEAN, mode="valid", wait=60)
        assert job.state == "succeeded"
    with stack, Client(stack.url) as client:
        assert [found.id for found in client.jobs()] == [job.id]
        expected = (x[1:, 1:] + x[1:, :-1] + x[:-1, 1:] + x[:-1, :-1]) / 4
        np.testing.assert_allclose(client.result(job.id), expected)
