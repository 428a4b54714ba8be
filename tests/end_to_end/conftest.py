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
}


def make_stack(data: Path) -> LocalStack:
    # Named, so that a CONVQ_STORE_URL of the person who runs the tests is not written to.
    return LocalStack(data, settings=FAST | {"store_url": str(data / "artifacts")})


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Share one running stack; tests must not break it."""
    with make_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[LocalStack]:
    """Run a stack for one test alone, which may kill its parts, stop it and start it again."""
    with make_stack(tmp_path / "data") as running:
        yield running
