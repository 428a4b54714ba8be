"""``convq gc`` against a real Redis and a real folder."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis

from core.settings import Settings
from core.store.artifacts import ArtifactStore
from core.store.jobs import JobStore


@pytest.fixture
def stored(
    settings: Settings,
    artifacts: ArtifactStore,
    jobs: JobStore,
    client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> ArtifactStore:
    """Hold an artifact that a job needs, one that nobody needs any more, and a stray file."""
    monkeypatch.setenv("CONVQ_REDIS_URL", settings.redis_url)
    monkeypatch.setenv("CONVQ_STORE_URL", settings.store_url)
    needed, unused = (artifacts.put(data, "text/csv") for data in (b"needed", b"unused"))
    jobs.submit(kind="convolve", spec="{}", artifacts=[needed.digest])
    client.zadd("convq:artifacts", {unused.digest: 0})
    assert artifacts.files.root is not None
    stray = artifacts.files.root / "incoming" / "convq-stray"
    stray.write_bytes(bytes(4))
    os.utime(stray, (0, time.time() - 2 * settings.retention))
    return artifacts


def test_what_nobody_needs_is_shown_and_then_deleted(
    convq: Callable[..., Any], stored: ArtifactStore
) -> None:
    expected = {
        "records": 2,
        "referred": 1,
        "artifacts": 1,
        "strays": 1,
        "freed": 10,
        "missing": [],
        "miscounted": [],
    }
    for _ in range(2):
        shown = convq("gc", "--dry-run", "--json")
        assert json.loads(shown.stdout) == expected | {"dry_run": True}
    assert convq("gc", "--dry-run").stdout == (
        "2 artifacts, 1 of them needed\nwould delete 1 artifact and 1 file without a record: 10 B\n"
    )
    assert json.loads(convq("gc", "--json").stdout) == expected | {"dry_run": False}
    left = convq("gc").stdout
    assert left.startswith("1 artifact, 1 of them needed\ndeleted 0 artifacts and 0 files")


def test_a_redis_of_another_service_deletes_nothing(
    convq: Callable[..., Any], stored: ArtifactStore, client: redis.Redis
) -> None:
    client.flushall()
    refused = convq("gc")
    assert refused.exit_code == 1
    assert "no file of this store is in the records" in refused.stderr
