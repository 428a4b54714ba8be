"""The load on convq: a real stack, and a client that costs as little as can be."""

from __future__ import annotations

import http.client
import io
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from convq.stack import LocalStack

_UPLOADERS = 16
_KERNEL = {"values": [[0, 1, 0], [1, -4, 1], [0, 1, 0]]}


class Load:
    """Submits small convolutions and waits for them.

    Parameters
    ----------
    url : str
        Of the service.
    """

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url).netloc
        self._connections: list[http.client.HTTPConnection] = []

    def request(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """Return the JSON that the service answers with; an error is raised."""
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        data = response.read()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {data[:500]!r}")
        return json.loads(data)

    def connect(self) -> http.client.HTTPConnection:
        """Return a new connection that is kept open."""
        return http.client.HTTPConnection(self._address, timeout=60)

    def upload(self, count: int, seed: int, size: int = 64) -> list[str]:
        """Store so many different arrays; return their digests."""
        generator = np.random.default_rng(seed)
        bodies = []
        for _ in range(count):
            file = io.BytesIO()
            np.save(file, generator.normal(size=(size, size)).astype(np.float32))
            bodies.append(file.getvalue())

        def one_client(mine: list[bytes]) -> list[str]:
            connection = self.connect()
            answers = [self.request(connection, "POST", "/v1/artifacts", body=it) for it in mine]
            return [str(answer["digest"]) for answer in answers]

        with ThreadPoolExecutor(_UPLOADERS) as pool:
            parts = pool.map(one_client, [bodies[n::_UPLOADERS] for n in range(_UPLOADERS)])
            return [digest for part in parts for digest in part]

    def submit_each(self, digests: list[str], clients: int) -> list[float]:
        """Post a job for each input, from so many clients; return the seconds that each took."""

        def one_client(mine: list[str]) -> list[float]:
            connection = self.connect()
            took = []
            for digest in mine:
                start = time.perf_counter()
                self.post(connection, digest)
                took.append(time.perf_counter() - start)
            return took

        with ThreadPoolExecutor(clients) as pool:
            parts = pool.map(one_client, [digests[n::clients] for n in range(clients)])
            return [seconds for part in parts for seconds in part]

    def submit_at(self, digests: list[str], rate: float, clients: int) -> list[float]:
        """Post jobs at a steady rate, whether or not earlier ones were answered.

        Returns the seconds from the time at which each was due to its answer.
        """
        start = time.perf_counter() + 0.1

        def one_client(mine: list[tuple[int, str]]) -> list[float]:
            connection = self.connect()
            took = []
            for number, digest in mine:
                due = start + number / rate
                time.sleep(max(0.0, due - time.perf_counter()))
                self.post(connection, digest)
                took.append(time.perf_counter() - due)
            return took

        numbered = list(enumerate(digests))
        with ThreadPoolExecutor(clients) as pool:
            parts = pool.map(one_client, [numbered[n::clients] for n in range(clients)])
            return [seconds for part in parts for seconds in part]

    def post(self, connection: http.client.HTTPConnection, digest: str, prefer: str = "") -> Any:
        """Submit one job."""
        headers = {"Content-Type": "application/json"} | ({"Prefer": prefer} if prefer else {})
        body = json.dumps(job(digest)).encode()
        return self.request(connection, "POST", "/v1/jobs", body=body, headers=headers)

    def submit_batches(self, digests: list[str], size: int) -> None:
        """Submit the jobs in batches."""
        connection = self.connect()
        for first in range(0, len(digests), size):
            body = {"jobs": [{"job": job(digest)} for digest in digests[first : first + size]]}
            self.request(
                connection,
                "POST",
                "/v1/jobs/batch",
                body=json.dumps(body).encode(),
                headers={"Content-Type": "application/json"},
            )

    def wait_idle(self) -> None:
        """Return when every job has ended; raises if one has failed."""
        connection = self.connect()
        while True:
            answer = self.request(connection, "GET", "/v1/queue")
            if answer["counts"]["failed"]:
                raise RuntimeError(f"{answer['counts']['failed']} jobs failed")
            if not any(answer["depth"].values()):
                return
            time.sleep(0.025)

    def latencies(self, digests: list[str]) -> tuple[list[float], list[float]]:
        """Submit one job after another on an idle service.

        Returns the seconds until each had ended, and those that each had been queued.
        """
        connection = self.connect()
        took, queued = [], []
        for digest in digests:
            start = time.perf_counter()
            answer = self.post(connection, digest, "wait=30")
            took.append(time.perf_counter() - start)
            queued.append(answer["timings"]["queued"])
            if answer["state"] != "succeeded":
                raise RuntimeError(f"a job is {answer['state']}: {answer['error']}")
        return took, queued


def job(digest: str) -> dict[str, Any]:
    """Return the body of one small job."""
    return {"kind": "convolve", "inputs": [digest], "kernel": _KERNEL}


@contextmanager
def stack(data: Path, redis_url: str, **settings: Any) -> Iterator[LocalStack]:
    """Start a service with one worker on a Redis that runs."""
    own = {"store_url": str(data.parent / "artifacts"), "max_queued": 1 << 30} | settings
    own["max_queued_of_tenant"] = own["max_queued"]
    with LocalStack(data, redis_url=redis_url, settings=own) as running:
        yield running
