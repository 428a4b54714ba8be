"""A small stand-in for the service, faithful to its HTTP contract, for the client and the CLI."""

from __future__ import annotations

import hashlib
import io
import json
import re
import socket
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import redis

from api.app import create_app
from api.server import make_server
from core.kernels import PRESETS
from core.settings import Settings

PLAN = {
    "device": {"kind": "cpu", "name": "test processor"},
    "seconds": 0.012,
    "bytes": 3_000_000,
    "groups": [
        {
            "inputs": 2,
            "input": "480 × 640 uint8",
            "problem": {"x_shape": [480, 640], "kernel_shape": [1, 13, 13], "bank": True},
            "chosen": "separable",
            "why": "the kernel has rank 1: 26 multiplications per value instead of 169",
            "seconds": 0.012,
            "bytes": 3_000_000,
            "candidates": [
                {"algorithm": "direct", "seconds": 0.051, "bytes": 2_000_000, "refused": None},
                {"algorithm": "separable", "seconds": 0.012, "bytes": 3_000_000, "refused": None},
                {
                    "algorithm": "winograd",
                    "seconds": None,
                    "bytes": None,
                    "refused": "only for kernels of 3x3 and 5x5",
                },
            ],
        }
    ],
}

Handler = Callable[[httpx.Request], httpx.Response]


class Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in pieces; an exception among them breaks the connection there."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


class FakeService:
    """Keeps artifacts and jobs in memory; a job "runs" by handing each input back as its result.

    ``faults`` are answered first, one per request: an exception is raised, a callable answers,
    ``None`` lets the request through.
    """

    def __init__(self) -> None:
        self.planned: dict[str, Any] = {}
        self.plan: dict[str, Any] = PLAN
        self.artifacts: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, tuple[str, str]] = {}
        self.results: dict[str, dict[str, Any]] = {}
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.faults: deque[Exception | Handler | None] = deque()
        self.requests: list[httpx.Request] = []
        self.runs = True
        """Whether a submitted job is run at once; otherwise call `run`."""
        self.bad_names: set[str] = set()

    # -- transport ----------------------------------------------------------------------------

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        fault = self.faults.popleft() if self.faults else None
        if isinstance(fault, Exception):
            raise fault
        if fault is not None:
            return fault(request)
        path = request.url.path.removeprefix("/v1")
        for method, pattern, handler in self._routes():
            match = re.fullmatch(pattern, path)
            if match and request.method in method:
                return handler(request, *match.groups())
        return problem(404, "not_found", f"there is no {request.method} {path}")

    def _routes(self) -> list[tuple[tuple[str, ...], str, Callable[..., httpx.Response]]]:
        return [
            (("POST",), "/artifacts", self._upload),
            (("GET", "HEAD"), "/artifacts/(.+)", self._artifact),
            (("POST",), "/jobs", self._submit),
            (("GET",), "/jobs", self._list),
            (("GET",), "/jobs/([^/]+)", self._job),
            (("DELETE",), "/jobs/([^/]+)", self._delete),
            (("GET",), "/jobs/([^/]+)/events", self._events),
            (("GET",), "/jobs/([^/]+)/results", self._results),
            (("POST",), "/jobs/([^/]+)/(cancel|retry)", self._act),
            (("POST",), "/plans", self._plan),
            (("GET",), "/kinds", self._kinds),
            (("GET",), "/queue", self._queue),
            (("GET",), "/stats", self._stats),
            (("GET",), "/workers", self._workers),
        ]

    def problem(self, status: int, code: str, detail: str, **more: Any) -> httpx.Response:
        return problem(status, code, detail, **more)

    def paths(self) -> list[str]:
        return [f"{request.method} {request.url.path}" for request in self.requests]

    # -- artifacts ----------------------------------------------------------------------------

    def store(self, data: bytes) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        about: dict[str, Any] = {
            "digest": digest,
            "size": len(data),
            "media_type": "application/octet-stream",
            "shape": None,
            "dtype": None,
        }
        if data.startswith(b"\x93NUMPY"):
            array = np.load(io.BytesIO(data))
            about |= {
                "media_type": "application/x-npy",
                "shape": list(array.shape),
                "dtype": str(array.dtype),
            }
        self.artifacts[digest] = {"data": data, "about": about}
        return about

    def _upload(self, request: httpx.Request) -> httpx.Response:
        data = request.read()
        if not data:
            accepted = "the bytes of a file"
            return problem(
                422, "invalid_input", "the body is empty", field="body", accepted=accepted
            )
        new = f"sha256:{hashlib.sha256(data).hexdigest()}" not in self.artifacts
        return httpx.Response(201 if new else 200, json=self.store(data))

    def _artifact(self, request: httpx.Request, digest: str) -> httpx.Response:
        if digest not in self.artifacts:
            return problem(404, "not_found", "there is no such artifact")
        data, about = self.artifacts[digest]["data"], self.artifacts[digest]["about"]
        headers = {"Content-Type": about["media_type"], "ETag": f'"{digest}"'}
        if request.method == "HEAD":
            headers["Content-Length"] = str(len(data))
            if about["shape"] is not None:
                headers["Convq-Shape"] = ",".join(map(str, about["shape"]))
                headers["Convq-Dtype"] = about["dtype"]
            return httpx.Response(200, headers=headers)
        if request.headers["Accept"] == "application/x-npy" != about["media_type"]:
            converted = io.BytesIO()
            np.save(converted, np.frombuffer(data, np.uint8))
            return httpx.Response(200, content=converted.getvalue())
        if match := re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", "")):
            return httpx.Response(206, headers=headers, content=data[int(match[1]) :])
        return httpx.Response(200, headers=headers, content=data)

    # -- jobs ---------------------------------------------------------------------------------

    def _submit(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.read())
        if wrong := self._wrong(body):
            return wrong
        key = request.headers.get("Idempotency-Key", "")
        fingerprint = json.dumps(body, sort_keys=True)
        if key in self.keys:
            job_id, known = self.keys[key]
            if known != fingerprint:
                return problem(422, "invalid_input", "used before", field="Idempotency-Key")
            return self._accepted(job_id)
        job_id = f"{len(self.jobs):04d}" + hashlib.sha256(fingerprint.encode()).hexdigest()[:16]
        self.keys[key] = (job_id, fingerprint)
        self.jobs[job_id] = {
            "id": job_id,
            "kind": body["kind"],
            "state": "queued",
            "label": body.get("label"),
            "progress": {"done": 0, "total": len(body.get("inputs", [])), "failed": 0, "stage": ""},
            "plan": PLAN,
            "attempts": [],
            "timings": {"queued": 0.0, "ran": None, "stages": {}},
            "error": None,
            "created": "2026-01-02T03:04:05Z",
            "started": None,
            "finished": None,
            "cancel_requested": None,
            "links": {"self": f"/v1/jobs/{job_id}"},
            "spec": body,
        }
        self.events[job_id] = []
        self.emit(job_id, "state", state="queued")
        if self.runs:
            self.run(job_id)
        return self._accepted(job_id)

    def _wrong(self, body: dict[str, Any]) -> httpx.Response | None:
        if body.get("mode", "same") not in ("full", "same", "valid"):
            return problem(
                422,
                "invalid_input",
                "no such mode",
                field="mode",
                given=repr(body["mode"]),
                accepted="full, same, valid",
            )
        for item in body.get("inputs", []):
            digest = item if isinstance(item, str) else item["artifact"]
            if digest not in self.artifacts:
                return problem(404, "not_found", "there is no such artifact", given=digest)
        return None

    def _accepted(self, job_id: str) -> httpx.Response:
        job = self.jobs[job_id]
        headers = {"Location": f"/v1/jobs/{job_id}", "Retry-After": "1"}
        return httpx.Response(
            200 if job["state"] == "succeeded" else 202, json=job, headers=headers
        )

    def run(self, job_id: str) -> None:
        """Run a job: every input is its own result, those with a bad name fail."""
        job = self.jobs[job_id]
        job["attempts"].append({"number": 1, "worker": "worker-1", "outcome": "succeeded"})
        self._enter(job_id, "running")
        results, failures = [], []
        for index, item in enumerate(job["spec"].get("inputs", [])):
            digest = item if isinstance(item, str) else item["artifact"]
            name = f"{index}.bin" if isinstance(item, str) else item["name"]
            if name in self.bad_names:
                failures.append(
                    {
                        "input": digest,
                        "name": name,
                        "code": "unsupported_media",
                        "message": "broken",
                    }
                )
            else:
                about = {k: v for k, v in self.artifacts[digest]["about"].items() if k != "size"}
                results.append({"name": name, "input": digest, **about})
            job["progress"] |= {"done": index + 1, "failed": len(failures), "stage": "convolve"}
            self.emit(job_id, "progress", **job["progress"])
        self.results[job_id] = {"results": results, "failures": failures}
        job["timings"] |= {"ran": 0.02, "stages": {"decode": 0.005, "convolve": 0.015}}
        self._enter(job_id, "succeeded" if results else "failed")
        if not results:
            job["error"] = {"code": "invalid_input", "message": "every input failed"}

    def _enter(self, job_id: str, state: str) -> None:
        self.jobs[job_id]["state"] = state
        self.emit(job_id, "state", state=state)

    def emit(self, job_id: str, event: str, **data: Any) -> None:
        self.events[job_id].append({"event": event, "data": data})

    def _events(self, request: httpx.Request, job_id: str) -> httpx.Response:
        if job_id not in self.jobs:
            return problem(404, "not_found", "there is no such job")
        after = int(request.headers.get("Last-Event-ID", "0"))
        return httpx.Response(200, stream=Pieces(self.event_stream(job_id, after)))

    def event_stream(self, job_id: str, after: int = 0, until: int | None = None) -> bytes:
        return b": keep-alive\n\n" + b"".join(
            f"id: {number}\nevent: {event['event']}\ndata: {json.dumps(event['data'])}\n\n".encode()
            for number, event in enumerate(self.events[job_id], 1)
            if number > after and (until is None or number <= until)
        )

    def _list(self, request: httpx.Request) -> httpx.Response:
        query = request.url.params
        found = [
            {name: value for name, value in job.items() if name not in ("plan", "attempts", "spec")}
            for job in reversed(self.jobs.values())
            if all(job[name] == query[name] for name in ("state", "kind", "label") if name in query)
        ]
        start, limit = int(query.get("cursor", 0)), int(query["limit"])
        more = start + limit < len(found)
        page = {"jobs": found[start : start + limit], "next": str(start + limit) if more else None}
        return httpx.Response(200, json=page)

    def _job(self, _: httpx.Request, job_id: str) -> httpx.Response:
        if job_id not in self.jobs:
            return problem(404, "not_found", "there is no such job", field="id", given=job_id)
        return httpx.Response(200, json=self.jobs[job_id])

    def _results(self, _: httpx.Request, job_id: str) -> httpx.Response:
        return httpx.Response(200, json=self.results[job_id])

    def _act(self, _: httpx.Request, job_id: str, action: str) -> httpx.Response:
        job = self.jobs[job_id]
        if action == "cancel":
            if job["state"] == "succeeded":
                return problem(409, "conflict", "the job has succeeded already", field="state")
            self._enter(job_id, "cancelled")
        else:
            self._enter(job_id, "queued")
            self.run(job_id)
        return httpx.Response(200, json=job)

    def _delete(self, _: httpx.Request, job_id: str) -> httpx.Response:
        del self.jobs[job_id]
        return httpx.Response(204)

    # -- the rest -----------------------------------------------------------------------------

    def _plan(self, request: httpx.Request) -> httpx.Response:
        self.planned = json.loads(request.read())
        return self._wrong(self.planned) or httpx.Response(200, json={"plan": self.plan})

    def _kinds(self, _: httpx.Request) -> httpx.Response:
        kind = {"name": "convolve", "summary": "Filter.", "schema": {"type": "object"}}
        presets = [preset.describe() for preset in PRESETS]
        return httpx.Response(200, json={"kinds": [kind], "presets": presets})

    def _queue(self, _: httpx.Request) -> httpx.Response:
        counts = {"queued": 3, "running": 1, "succeeded": 120, "failed": 2, "cancelled": 0}
        depth = {"queued": 3, "running": 1}
        body = {"depth": depth, "messages": 3, "oldest_seconds": 4.2, "counts": counts}
        return httpx.Response(200, json=body)

    def _stats(self, _: httpx.Request) -> httpx.Response:
        line = {"ready": 3, "running": 1, "delayed": 0, "oldest_seconds": 4.2}
        times = {"p50": None, "p90": None, "p99": None}
        counts = dict.fromkeys(("submitted", "succeeded", "failed", "cancelled"), 0)
        recent = counts | {"seconds": 300, "per_minute": 0, "waited": times, "ran": times}
        body = line | {"at": "2026-01-02T03:04:05Z", "paused": False, "dead": 2, "recent": recent}
        return httpx.Response(200, json=body | {"priorities": {"normal": line}})

    def _workers(self, _: httpx.Request) -> httpx.Response:
        worker = {
            "name": "worker-1",
            "state": "up",
            "device": {"kind": "cpu", "name": "test processor"},
            "running": None,
            "last_seen": "2026-01-02T03:04:05Z",
            "host": "here",
            "pid": 42,
            "versions": {"numpy": "2.4"},
        }
        return httpx.Response(200, json={"workers": [worker]})


def problem(status: int, code: str, detail: str, **more: Any) -> httpx.Response:
    body = {"type": "about:blank", "title": code, "status": status, "code": code, "detail": detail}
    headers = {"Content-Type": "application/problem+json"}
    return httpx.Response(status, content=json.dumps(body | more), headers=headers)


@pytest.fixture
def real_url(settings: Settings, client: redis.Redis) -> Iterator[str]:
    """Serve the real API on a real Redis; there is no worker."""
    client.ping()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        server = make_server(create_app(settings), "127.0.0.1", 0)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.002)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def away() -> Callable[[str], Handler]:
    """Return a fault: the service says that it is away, for so many seconds."""

    def fault(retry_after: str = "0") -> Handler:
        def answer(_: httpx.Request) -> httpx.Response:
            response = problem(503, "unavailable", "Redis does not answer")
            response.headers["Retry-After"] = retry_after
            return response

        return answer

    return fault


@pytest.fixture
def broken() -> Callable[..., Handler]:
    """Return a fault: the connection breaks after some bytes of the answer."""

    def fault(data: bytes, status: int = 200) -> Handler:
        def answer(_: httpx.Request) -> httpx.Response:
            error = httpx.RemoteProtocolError("peer closed connection")
            return httpx.Response(status, stream=Pieces(data, error) if data else Pieces(error))

        return answer

    return fault
