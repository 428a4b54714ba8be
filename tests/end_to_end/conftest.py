"""Real stacks for tests: Redis, API and a Celery worker, on free ports, with short times."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

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


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Share one running stack; tests must not break it."""
    with LocalStack(tmp_path_factory.mktemp("stack"), settings=FAST) as running:
        yield running


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[LocalStack]:
    """Run a stack for one test alone, which may kill its parts, stop it and start it again."""
    with LocalStack(tmp_path / "data", settings=FAST) as running:
        yield running
