"""The application against a real Redis, and jobs that are run by hand."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import numpy as np
import pytest
import redis
from fastapi import FastAPI

from api.app import create_app
from api.server import make_server
from api.services import Services
from convq.stack.redis_server import RedisServer
from core.settings import Settings
from core.store import documents
from core.store.artifacts import ArtifactStore
from core.store.jobs import JobStore, Progress
from core.store.keys import SCOPES, KeyStore


@pytest.fixture(scope="session")
def settings(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Share one store: `client` empties Redis before each test, and files without records hide."""
    store = tmp_path_factory.mktemp("api") / "artifacts"
    return Settings(redis_url=redis_server.url, store_url=str(store))


@pytest.fixture(scope="session")
def app(settings: Settings) -> FastAPI:
    return create_app(settings)


@pytest.fixture
def services(app: FastAPI) -> Services:
    return app.state.services


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serve ``app`` as in production, from a thread; give its URL."""
    # asyncio turns Nagle's algorithm off only where the protocol is named.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        server = make_server(app, "127.0.0.1", 0)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.002)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=30)
            assert not thread.is_alive()


@pytest.fixture(scope="session")
def url(app: FastAPI) -> Iterator[str]:
    with served(app) as url:
        yield url


@pytest.fixture
def empty(client: redis.Redis) -> None:
    """Let nothing be in Redis of the tests before.

    A request waits a second at most for its message to be sent, which may come after all.
    """
    while client.dbsize():
        client.flushall()


@pytest.fixture
def http(url: str, empty: None) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30) as http:
        yield http


@pytest.fixture(scope="session")
def keyed_url(settings: Settings) -> Iterator[str]:
    with served(create_app(settings.model_copy(update={"keys": True}))) as url:
        yield url


@pytest.fixture
def keyed(keyed_url: str, empty: None) -> Iterator[httpx.Client]:
    """Serve the application with keys on."""
    with httpx.Client(base_url=keyed_url, timeout=30) as http:
        yield http


@pytest.fixture
def key(client: redis.Redis) -> Callable[..., dict[str, str]]:
    """Return a function that makes a key and gives the headers that carry it."""

    def make(*scopes: str, tenant: str = "lab", **more: Any) -> dict[str, str]:
        _, text = KeyStore(client).create(tenant=tenant, scopes=scopes or SCOPES, **more)
        return {"Authorization": f"Bearer {text}"}

    return make


@pytest.fixture
def http_with(settings: Settings, client: redis.Redis) -> Iterator[Callable[..., httpx.Client]]:
    """Return a function that serves the application with other settings."""
    client.ping()
    with ExitStack() as stack:

        def serve(**changed: Any) -> httpx.Client:
            other = create_app(settings.model_copy(update=changed))
            url = stack.enter_context(served(other))
            return stack.enter_context(httpx.Client(base_url=url, timeout=30))

        yield serve


@pytest.fixture(scope="session")
def npy() -> Callable[[Any], bytes]:
    """Return a function that writes an array as .npy."""

    def write(array: Any) -> bytes:
        file = io.BytesIO()
        np.save(file, np.asarray(array))
        return file.getvalue()

    return write


@pytest.fixture
def upload(http: httpx.Client) -> Callable[[bytes], str]:
    def send(data: bytes) -> str:
        response = http.post("/v1/artifacts", content=data)
        assert response.status_code in (200, 201), response.text
        return str(response.json()["digest"])

    return send


@pytest.fixture
def picture(upload: Callable[[bytes], str], npy: Callable[[Any], bytes]) -> str:
    """Return the digest of an uploaded 6 x 5 array."""
    return upload(npy(np.arange(30, dtype=np.float32).reshape(6, 5)))


@pytest.fixture
def body(picture: str) -> dict[str, Any]:
    """Return the body of a job that works."""
    return {"kind": "convolve", "inputs": [picture], "kernel": {"preset": "box", "size": 3}}


@pytest.fixture
def submit(http: httpx.Client, body: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    def send(**fields: Any) -> dict[str, Any]:
        response = http.post("/v1/jobs", json=body | fields)
        assert response.status_code == 202, response.text
        job: dict[str, Any] = response.json()
        return job

    return send


@pytest.fixture
def finish(jobs: JobStore, artifacts: ArtifactStore) -> Callable[..., None]:
    """Return a function that runs a queued job as a worker would, with given results."""

    def run(
        job_id: str,
        state: Any = "succeeded",
        results: dict[str, bytes] | None = None,
        failures: list[dict[str, Any]] | None = None,
        error: dict[str, Any] | None = None,
    ) -> None:
        attempt = None
        while attempt is None:
            (claimed,) = jobs.claim(worker="worker-1", pid=1, lease=30)
            attempt = claimed.attempt if claimed.id == job_id else None
        entries = []
        for name, data in (results or {}).items():
            array = np.load(io.BytesIO(data))
            made = artifacts.put(data, "application/x-npy", array.shape, str(array.dtype))
            entries.append({"name": name} | made.to_dict() | {"input": None})
        text = documents.write(artifacts, {"results": entries, "failures": failures or []})
        kept = {entry["digest"] for entry in entries}
        kept |= {text} if documents.is_artifact(text) else set()
        assert jobs.finish(
            job_id,
            attempt,
            state,
            progress=Progress(done=1, total=1),
            timings={"convolve": 0.5},
            results=text,
            error=error,
            artifacts=tuple(kept),
        )

    return run
