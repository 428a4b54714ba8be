"""Attacks on the running service: broken bodies, broken headers, and schemathesis."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

import httpx

from api.app import create_app
from api.described import DIGEST_PATTERN
from api.server import make_server
from convq.stack.redis_server import RedisServer
from core.jobs.registry import KINDS
from core.settings import Settings
from fuzz import samples
from fuzz.containers import changed, mutated_inside
from fuzz.mutate import mutated

Attack = Callable[[str, int, float], dict[str, Any]]

_JSON: Final = {"Content-Type": "application/json"}
_SLOW: Final = 5.0
_HEADERS: Final = {
    "Range": "bytes=0-5, 7-9",
    "If-Range": '"sha256:00"',
    "If-None-Match": 'W/"a", "b"',
    "Accept": "image/png;q=0.5, application/json, */*;q=0.1",
    "Content-Type": "application/json; charset=utf-8",
    "Content-Digest": "sha-256=:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=:",
    "Repr-Digest": "sha-512=:AA==:, sha-256=:AA==:",
    "Content-Encoding": "gzip",
    "Idempotency-Key": "abc",
    "Prefer": "wait=1, respond-async",
    "Last-Event-ID": "1700000000000-0",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "Authorization": "Bearer convq_abc_def",
}


@contextmanager
def service() -> Iterator[str]:
    """Serve the application with a real Redis and an empty store; give the URL."""
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder, "redis")) as server:
        settings = Settings(
            redis_url=server.url,
            store_url=str(Path(folder, "artifacts")),
            max_pixels=1 << 20,
            max_upload=1 << 22,
            stall=2,
        )
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
            listener.bind(("127.0.0.1", 0))
            running = make_server(create_app(settings), "127.0.0.1", 0)
            thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
            thread.start()
            try:
                while not running.started:
                    time.sleep(0.01)
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                running.should_exit = True
                thread.join()


class _Tally:
    """What came of the requests of one attack."""

    def __init__(self) -> None:
        self.outcome: dict[str, Any] = {
            "tried": 0,
            "read": 0,
            "refused": 0,
            "slowest": 0.0,
            "grown": None,  # the service is this process
            "failures": [],
        }

    def send(self, number: int, request: Callable[[], httpx.Response]) -> None:
        """Send a request; any answer below 500 that comes soon is a good one."""
        start = time.perf_counter()
        try:
            response = request()
            status = response.status_code
            what = f"{status}: {response.text[:200]}" if status >= 500 else ""
        except (httpx.InvalidURL, UnicodeEncodeError, ValueError):
            return  # the client refuses to send it
        except httpx.HTTPError as error:
            # The connection was closed on something that is no HTTP: an answer, too.
            status, what = 400, "" if isinstance(error, httpx.ProtocolError) else repr(error)
        seconds = time.perf_counter() - start
        if not what and seconds > _SLOW:
            what = f"took {seconds:.1f} s"
        self.outcome["tried"] += 1
        self.outcome["read" if status < 400 else "refused"] += 1
        self.outcome["slowest"] = max(self.outcome["slowest"], seconds)
        if what:
            self.outcome["failures"].append({"number": number, "what": what, "where": ""})


def bodies(url: str, seed: int, seconds: float) -> dict[str, Any]:
    """Send bodies of jobs and models that are nearly right."""
    tally, deadline = _Tally(), time.monotonic() + seconds
    with httpx.Client(base_url=url, timeout=30) as client:
        valid = _valid_bodies(client)
        number = 0
        while time.monotonic() < deadline:
            random = Random(f"{seed} bodies {number}")
            path, document = random.choice(valid)
            if random.randrange(4):
                for _ in range(random.choice((1, 1, 1, 3))):
                    document = changed(document, random)
                content = json.dumps(document).encode()
            else:
                content = mutated(json.dumps(document).encode(), random, [b'{"kind": []}'])
            tally.send(number, lambda: client.post(path, content=content, headers=_JSON))  # noqa: B023
            number += 1
    return tally.outcome


def uploads(url: str, seed: int, seconds: float) -> dict[str, Any]:
    """Upload broken files, and ask for what was stored in every form."""
    tally, deadline = _Tally(), time.monotonic() + seconds
    made = (samples.png, samples.jpeg, samples.tiff, samples.webp, samples.npy, samples.npz)
    files = [content for make in (*made, samples.wav, samples.model) for content in make()]
    with httpx.Client(base_url=url, timeout=30) as client:
        number = 0
        while time.monotonic() < deadline:
            random = Random(f"{seed} uploads {number}")
            content = random.choice((mutated, mutated_inside))(random.choice(files), random, files)
            kept: list[str] = []

            def upload() -> httpx.Response:
                response = client.post("/v1/artifacts", content=content)  # noqa: B023
                if response.is_success:
                    kept.append(response.json()["digest"])  # noqa: B023
                return response

            tally.send(number, upload)
            for digest in kept:
                accept = random.choice(("*/*", "image/png", "application/json"))
                headers = {"Accept": accept}
                tally.send(number, lambda: client.get(f"/v1/artifacts/{digest}", headers=headers))  # noqa: B023
            number += 1
    return tally.outcome


def headers(url: str, seed: int, seconds: float) -> dict[str, Any]:
    """Send broken headers, paths and queries."""
    tally, deadline = _Tally(), time.monotonic() + seconds
    with httpx.Client(base_url=url, timeout=30) as client:
        digest = client.post("/v1/artifacts", content=b"0123456789").json()["digest"]
        paths = [f"/v1/artifacts/{digest}", "/v1/jobs", "/v1/queue", "/v1/models", "/metrics"]
        queries = ["", "?limit=5", "?cursor=abc&state=queued", "?kind=convolve&label=%00"]
        number = 0
        while time.monotonic() < deadline:
            random = Random(f"{seed} headers {number}")
            names = random.sample(list(_HEADERS), random.randint(1, 3))
            sent = [(name.encode(), _header(_HEADERS[name], random)) for name in names]
            path = random.choice(paths) + random.choice(queries)
            if random.randrange(3) == 0:
                path = "/" + mutated(path[1:].encode(), random, [b"/../%2e"]).decode("latin-1")
            method = random.choice(("GET", "GET", "HEAD", "POST", "DELETE", "OPTIONS", "PATCH"))
            tally.send(number, lambda: client.request(method, path, headers=sent))  # noqa: B023
            number += 1
    return tally.outcome


def schema(url: str, seed: int, seconds: float) -> dict[str, Any]:
    """Let schemathesis try what the OpenAPI document allows and what it forbids, and its links."""
    digest = httpx.post(f"{url}/v1/artifacts", content=samples.npy()[1]).json()["digest"]
    document = httpx.get(f"{url}/openapi.json").text
    with tempfile.TemporaryDirectory() as folder:
        narrowed = Path(folder, "openapi.json")
        # Nobody guesses a digest.
        narrowed.write_text(document.replace(json.dumps(DIGEST_PATTERN), json.dumps(f"^{digest}$")))
        run = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", str(narrowed), "--url", url),
                *("--checks", "not_a_server_error", "--mode", "all", "--max-examples", "200"),
                *("--seed", str(seed), "--request-timeout", "10", "--max-time", str(int(seconds))),
                *("--no-color", "--warnings", "off", "--continue-on-failure"),
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    tried = sum(int(count) for count in re.findall(r"(\d+) generated", run.stdout))
    failures = []
    if run.returncode != 0:
        failures = [{"number": 0, "what": run.stdout[-2000:] + run.stderr[-500:], "where": ""}]
    # It tells no more than these.
    untold = dict.fromkeys(("read", "refused", "slowest", "grown"))
    return {"tried": tried, "failures": failures} | untold


ATTACKS: Final[dict[str, Attack]] = {
    "HTTP: bodies": bodies,
    "HTTP: uploads": uploads,
    "HTTP: headers": headers,
    "HTTP: schemathesis": schema,
}


def _valid_bodies(client: httpx.Client) -> list[tuple[str, dict[str, Any]]]:
    """Return bodies that work: the examples of all kinds, with inputs that are stored."""
    digest = client.post("/v1/artifacts", content=samples.npy()[1]).json()["digest"]
    data = client.post("/v1/artifacts", content=samples.data_npz()[0]).json()["digest"]
    model = client.post("/v1/artifacts", content=samples.model()[1]).json()["digest"]
    index = client.post("/v1/artifacts", content=samples.neighbours()[0]).json()["digest"]
    kernels: list[Any] = [
        {"preset": "gaussian", "sigma": 2},
        {"values": [[0, 1, 0], [1, -4, 1], [0, 1, 0]]},
        {"artifact": digest},
    ]
    options = {"epochs": 1, "batch": 2, "validation": 0.5}
    jobs: list[dict[str, Any]] = [
        *(
            {"kind": "convolve", "inputs": [digest, {"artifact": digest, "name": "a"}], "kernel": k}
            for k in kernels
        ),
        {"kind": "train", "model": samples.NETS[1], "data": data, "options": options},
        {"kind": "predict", "model": model, "inputs": [data]},
        {"kind": "embed", "model": model, "inputs": [data], "layer": "a"},
        {"kind": "search", "index": index, "inputs": [data], "neighbours": 2},
    ]
    described = {job["kind"] for job in jobs}
    jobs += [
        {"kind": kind.name, "inputs": [digest]} for kind in KINDS if kind.name not in described
    ]
    return [
        *(("/v1/plans", job) for job in jobs),
        *(("/v1/jobs", job) for job in jobs),
        ("/v1/jobs/batch", {"jobs": jobs[:3]}),
        ("/v1/models/digits", {"artifact": model}),
    ]


def _header(value: str, random: Random) -> bytes:
    if random.randrange(4) == 0:
        return value.encode()
    broken = mutated(value.encode(), random, [v.encode() for v in _HEADERS.values()])
    return bytes(byte for byte in broken if byte not in b"\r\n\0") or b"x"
