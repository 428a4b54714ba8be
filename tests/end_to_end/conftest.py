"""Real stacks for tests: Redis, API and a Celery worker, on free ports, with short times."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convq
from convq.client.models import Job
from convq.stack import LocalStack

# Seconds. A test that waits for a lost lease should not wait long.
FAST = {
    "lease": 2,
    "heartbeat_interval": 0.5,
    "reconcile_interval": 0.3,
    "resend_after": 1,
    "cancel_grace": 0.5,
    "drain": 2,
    "gpus": "none",
}


def make_stack(data: Path) -> LocalStack:
    # Named, so that a CONVQ_STORE_URL of the person who runs the tests is not written to.
    return LocalStack(data, settings=FAST | {"store_url": str(data / "artifacts")})


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Share one running stack; tests must not break it."""
    with make_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="session")
def sturdy_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with make_stack(tmp_path_factory.mktemp("sturdy")) as running:
        yield running


@pytest.fixture
def own_stack(sturdy_stack: LocalStack) -> LocalStack:
    """Give a stack to one test alone, which may kill its parts, stop it and start it again.

    It is the same stack for all such tests: whatever was done to it, it must be up again by itself,
    unless it was stopped.
    """
    if sturdy_stack._supervisor is None:
        sturdy_stack.start()
    sturdy_stack.wait_until_ready()
    return sturdy_stack


class Driver:
    """What the tests do with jobs again and again."""

    def __init__(self, client: convq.Client) -> None:
        self.client = client

    def submit_slow(self, size: int = 41, **fields: Any) -> Job:
        """Submit a job that runs for many seconds (for 41) or about one (for 15)."""
        x = np.zeros((4000, 4000), np.float32)
        # Eight times the size a side, by an algorithm that nobody would choose for it.
        kernel = np.random.default_rng(1).normal(size=(8 * size, 8 * size)).astype(np.float32)
        return self.client.submit(inputs=[x], kernel=kernel, method="direct", **fields)

    def wait_for(self, job: Job, state: str, timeout: float = 30) -> Job:
        """Return the job once it is in ``state``."""
        deadline = time.monotonic() + timeout
        while (now := self.client.job(job.id)).state != state:
            assert time.monotonic() < deadline, f"{now.state}, not {state}: {now.error}"
            time.sleep(0.02)
        return now


@pytest.fixture
def client(stack: LocalStack) -> Iterator[convq.Client]:
    with convq.Client(stack.url) as client:
        yield client


@pytest.fixture
def jobs_at(client: convq.Client) -> Driver:
    return Driver(client)


@pytest.fixture
def own_client(own_stack: LocalStack) -> Iterator[convq.Client]:
    with convq.Client(own_stack.url) as client:
        yield client


@pytest.fixture
def own_jobs(own_client: convq.Client) -> Driver:
    return Driver(own_client)
