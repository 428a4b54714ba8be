"""``convq worker check`` against the signs of life of a worker in a real Redis."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
import redis

from core.settings import Settings
from core.store.workers import WorkerStore


def test_a_worker_that_gives_signs_of_life_is_well(
    convq: Callable[..., Any],
    settings: Settings,
    client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CONVQ_REDIS_URL", settings.redis_url)
    workers = WorkerStore(client, settings)
    unknown = convq("worker", "check", "w1")
    assert unknown.exit_code == 3
    assert "w1: not known" in unknown.stderr

    workers.beat("w1", {})
    assert convq("worker", "check", "w1").stdout == "w1: up\n"
    assert convq("worker", "check").exit_code == 3
    workers.beat(socket.gethostname(), {})
    assert convq("worker", "check").exit_code == 0

    workers.drain("w1")
    assert convq("worker", "check", "w1").stdout == "w1: draining\n"
    # Those of several GPUs belong together, and one of them is enough.
    workers.beat("w1-gpu0", {"fault": "it burns"})
    assert convq("worker", "check", "w1").stdout == "w1: draining\nw1-gpu0: out\n"
    client.zincrby("convq:workers", -60, "w1")
    assert convq("worker", "check", "w1").exit_code == 3


def test_without_redis_it_says_so(
    convq: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVQ_REDIS_URL", "redis://127.0.0.1:1/0")
    away = convq("worker", "check")
    assert away.exit_code == 3
    assert "does not answer" in away.stderr
