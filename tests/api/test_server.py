"""The service as its own process."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time

import httpx
import pytest
import redis

from api import server
from convq.stack.ports import ReservedPort
from core.errors import InvalidInput
from core.settings import Settings
from core.store.jobs import JobStore


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "convq.example.org", ""])
def test_without_keys_no_other_machine_is_listened_to(
    settings: Settings, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "make_server", lambda *_: pytest.fail("it listens"))
    with pytest.raises(InvalidInput, match="without API keys") as caught:
        server.serve(settings, host, 0)
    assert (caught.value.field, caught.value.given) == ("host", host)


def test_that_there_are_no_keys_is_said_at_the_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    listening: list[str] = []
    monkeypatch.setattr(server, "make_server", lambda app, host, port: _Noted(listening, host))
    monkeypatch.setattr(server.gc, "freeze", lambda: None)
    monkeypatch.setattr("core.logs.setup", lambda *_, **__: None)
    with caplog.at_level(logging.WARNING):
        server.serve(settings.model_copy(update={"keys": True}), "0.0.0.0", 0)
        assert caplog.messages == []
        server.serve(settings, "127.0.0.1", 0)
    assert caplog.messages == ["API keys are off: everybody on this machine may do everything"]
    assert listening == ["0.0.0.0", "127.0.0.1"]


class _Noted:
    """A server that notes where it would listen."""

    def __init__(self, listening: list[str], host: str) -> None:
        self._listening, self._host = listening, host

    def run(self) -> None:
        self._listening.append(self._host)


@pytest.mark.stack
def test_it_stops_at_once_though_clients_follow_jobs(
    settings: Settings, client: redis.Redis, jobs: JobStore
) -> None:
    job, _ = jobs.submit(kind="convolve", spec="{}", artifacts=[])
    assert client.exists(f"convq:job:{job.id}")
    port = ReservedPort()
    environment = os.environ | {
        "CONVQ_REDIS_URL": settings.redis_url,
        "CONVQ_STORE_URL": settings.store_url,
        "CONVQ_API_PORT": str(port.number),
    }
    process = subprocess.Popen([sys.executable, "-m", "api"], env=environment)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port.number}", timeout=30) as http:
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
                assert process.wait(timeout=60) in (0, -signal.SIGTERM)
                # What is under way otherwise may take ten seconds.
                assert time.monotonic() - start < 8
    finally:
        process.kill()
        process.wait()
