"""Memory and handles stay flat over many jobs. Ten thousand: ``python -m bench.chaos.soak``."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from bench.chaos.arena import wait_until
from core.jobs.run import Run
from core.settings import Settings
from core.store.jobs import JobStore
from workers.runner import Runner

WARM, MANY = 30, 100

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")


def resident() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_process_is_the_same_after_many_jobs(
    settings: Settings, scripted: Any, jobs: JobStore
) -> None:
    def behave(run: Run) -> None:
        with run.stage("work"):
            data = os.urandom(1 << 18)
            run.deliver(
                "out.bin",
                source=None,
                media_type="application/octet-stream",
                write=lambda path: path.write_bytes(data) and None,
            )
            run.report({"loss": 1.0})
            run.advance()

    def do(count: int) -> None:
        for _ in range(count):
            scripted.submit()
            assert runner.step()

    scripted.behave = behave
    runner = Runner(settings, worker="w1", pid=1, send=lambda: None)
    # A job that takes long meets the thread that renews its lease, and both ask Redis at once. That
    # may happen at any job of a busy machine: there are connections for both before it is counted.
    pool = runner._jobs._redis.connection_pool
    for connection in [pool.get_connection() for _ in range(2)]:
        pool.release(connection)
    do(WARM)
    before, files, threads = resident(), open_files(), threading.active_count()
    do(MANY)
    assert jobs.counts()["succeeded"] == WARM + MANY
    assert open_files() <= files
    # The thread that renews leases ends a moment after the last of them.
    assert wait_until(lambda: threading.active_count() <= threads, 30)
    # 256 KiB of results each: whoever keeps them would have taken 25 MiB.
    assert resident() - before < 8 << 20
