"""The OpenAPI document against the service: schemathesis with all its checks and its links."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.described import DIGEST_PATTERN
from core.store.jobs import JobStore, Progress

CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture
def worker(jobs: JobStore) -> Iterator[None]:
    """End every job soon, so that the run also sees what ended jobs answer."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.02):
            for job in jobs.page(state="queued").jobs:
                attempt = jobs.claim(job.id, worker="worker-1", pid=1, lease=30)
                if attempt:
                    jobs.finish(job.id, attempt, "succeeded", progress=Progress(), timings={})

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()


@pytest.mark.usefixtures("worker")
def test_every_answer_is_the_one_that_was_promised(
    http: httpx.Client, picture: str, tmp_path: Path
) -> None:
    # Nobody guesses a digest: the document is narrowed to the artifact that is stored.
    document = http.get("/openapi.json").text
    pattern = json.dumps(DIGEST_PATTERN)
    assert document.count(pattern) > 3
    narrowed = tmp_path / "openapi.json"
    narrowed.write_text(document.replace(pattern, json.dumps(f"^{picture}$")))
    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG)),
            *("run", str(narrowed), "--url", str(http.base_url)),
            *("--checks", "all", "--mode", "all", "--max-examples", "15"),
            *("--seed", "1", "--generation-deterministic"),
            *("--request-timeout", "10", "--max-time", "40", "--no-color", "--warnings", "off"),
            "--continue-on-failure",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    print(run.stdout)
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr
