"""The service as its own process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import httpx
import pytest
import redis

from convq.stack.ports import free_port
from core.settings import Settings
from core.store.jobs import JobStore


@pytest.mark.stack
def test_it_stops_at_once_though_clients_follow_jobs(
    settings: Settings, client: redis.Redis, jobs: JobStore
) -> None:
    job, _ = jobs.submit(kind="convolve", spec="{}", artifacts=[])
    assert client.exists(f"convq:job:{job.id}")
    port = free_port()
    environment = os.environ | {
        "CONVQ_REDIS_URL": settings.redis_url,
        "CONVQ_STORE_URL": settings.store_url,
        "CONVQ_API_PORT": str(port),
    }
    process = subprocess.Popen([sys.executable, "-m", "api"], env=environment)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
            deadline = time.monotonic() + 30
            while True:
                try:
                    assert http.get("/readyz").status_code == 200
                    break
                except httpx.ConnectError:
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
            with http.stream("GET", f"/v1/jobs/{job.id}/events") as response:
                lines = response.iter_lines()
                next(line for line in lines if line.startswith("id: "))
                stop = threading.Timer(0.1, process.send_signal, [signal.SIGTERM])
                stop.start()
                start = time.monotonic()
                assert not [line for line in lines if line]
                assert process.wait(timeout=10) in (0, -signal.SIGTERM)
                assert time.monotonic() - start < 4
    finally:
        process.kill()
        process.wait()
