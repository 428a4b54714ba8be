"""The OpenAPI document against the service: schemathesis with all its checks and its links."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import redis

from api.described import DIGEST_PATTERN
from core.store.artifacts import ArtifactStore
from core.store.edge import EdgeStore
from core.store.jobs import JobStore, Progress

CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture
def worker(jobs: JobStore, artifacts: ArtifactStore, npy: Callable[[Any], bytes]) -> Iterator[None]:
    """End every job soon with one result, so that the run also sees what ended jobs answer."""
    stop = threading.Event()

    def end(job_id: str, attempt: int) -> None:
        made = artifacts.put(npy([1.0, 2.0]), "application/x-npy", (2,), "float64")
        result = {"name": "one.npy"} | made.to_dict() | {"input": None}
        jobs.finish(
            job_id,
            attempt,
            "succeeded",
            progress=Progress(done=1, total=1),
            timings={},
            results=json.dumps({"results": [result], "failures": []}),
            artifacts=(made.digest,),
        )

    def work() -> None:
        while not stop.wait(0.02):
            for job in jobs.claim(worker="worker-1", pid=1, lease=30):
                end(job.id, job.attempt)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()


@pytest.fixture
def signal(upload: Callable[[bytes], str], npy: Callable[[Any], bytes]) -> str:
    """Return the digest of an array with one axis: any kernel for it is planned in no time."""
    return upload(npy(np.arange(64, dtype=np.float32)))


@pytest.mark.usefixtures("worker")
def test_every_answer_is_the_one_that_was_promised(
    http: httpx.Client, client: redis.Redis, signal: str, tmp_path: Path
) -> None:
    edge = EdgeStore(client)
    secret = hashlib.sha256(b"s").hexdigest()
    box = edge.enrol(edge.invite("cams", 60), "cams", digest=secret, name="box", about={})
    # Nobody guesses a digest: the document is narrowed to the artifact that is stored.
    document = http.get("/openapi.json").text
    pattern = json.dumps(DIGEST_PATTERN)
    assert document.count(pattern) > 3
    narrowed = tmp_path / "openapi.json"
    narrowed.write_text(document.replace(pattern, json.dumps(f"^{signal}$")))
    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG)),
            *("run", str(narrowed), "--url", str(http.base_url)),
            *("--checks", "all", "--mode", "all", "--max-examples", "10"),
            *("--seed", "1", "--generation-deterministic"),
            *("--request-timeout", "10", "--max-time", "30", "--no-color", "--warnings", "off"),
            "--continue-on-failure",
            # What only a box may ask is asked as a box.
            *("--header", f"Authorization: Bearer convq_{box}_s"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr
