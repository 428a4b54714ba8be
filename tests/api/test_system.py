from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from core.conv.device import cpu
from core.jobs.registry import KINDS
from core.kernels import PRESETS
from core.settings import Settings
from core.store.workers import WorkerStore

Submit = Callable[..., dict[str, Any]]


def test_kinds_and_presets(http: httpx.Client) -> None:
    answer = http.get("/v1/kinds").json()
    assert [kind["name"] for kind in answer["kinds"]] == [kind.name for kind in KINDS]
    assert "kernel" in answer["kinds"][0]["schema"]["properties"]
    assert [preset["name"] for preset in answer["presets"]] == [preset.name for preset in PRESETS]
    box = next(preset for preset in answer["presets"] if preset["name"] == "box")
    assert sum(sum(row) for row in box["array"][0]) == pytest.approx(1)


def test_the_queue(http: httpx.Client, submit: Submit, finish: Callable[..., None]) -> None:
    assert http.get("/v1/queue").json()["oldest_seconds"] is None
    ids = [submit()["id"] for _ in range(3)]
    finish(ids[0])
    answer = http.get("/v1/queue").json()
    assert answer["depth"] == {"queued": 2, "running": 0}
    assert answer["messages"] == 3
    assert answer["counts"]["succeeded"] == 1
    assert 0 <= answer["oldest_seconds"] < 60


def test_workers(http: httpx.Client, client: redis.Redis, settings: Settings) -> None:
    assert http.get("/v1/workers").json() == {"workers": []}
    workers = WorkerStore(client, settings)
    # As a worker with a GPU says it: infinite costs are no JSON.
    device = vars(cpu()) | {"gemm": {"object": float("inf")}}
    workers.beat("worker-1", {"device": device, "host": "a", "pid": 7, "versions": {"numpy": "2"}})
    workers.beat("worker-2", {})
    one, two = http.get("/v1/workers").json()["workers"]
    assert (one["name"], one["state"], one["running"]) == ("worker-1", "up", None)
    assert one["device"] == {"kind": "cpu", "name": cpu().name}
    assert (one["host"], one["pid"], one["versions"]) == ("a", 7, {"numpy": "2"})
    assert two["device"] is None


def test_health_and_readiness(http: httpx.Client, client: redis.Redis, settings: Settings) -> None:
    assert http.get("/healthz").json() == {"status": "ok"}
    assert http.get("/readyz").json() == {"status": "ready", "workers": {}}
    WorkerStore(client, settings).beat("worker-1", {})
    assert http.get("/readyz").json()["workers"] == {"up": 1}


def test_not_ready_when_the_store_cannot_be_written(
    http_with: Callable[..., httpx.Client], tmp_path: Path
) -> None:
    folder = tmp_path / "store"
    http = http_with(store_url=str(folder))
    assert http.get("/readyz").status_code == 200
    (folder / "incoming").rmdir()
    (folder / "incoming").write_text("in the way")
    response = http.get("/readyz")
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")


def sample(text: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, f"{name} is not in\n{text}"
    return float(found[1])


def test_metrics(http_with: Callable[..., httpx.Client], submit: Submit) -> None:
    submit()
    http = http_with()
    http.post("/v1/artifacts", content=b"0123456789")
    http.get("/v1/jobs/nonsense")
    http.get("/nowhere/17")
    http.request("BREW", "/healthz")
    text = http.get("/metrics").text
    assert sample(text, 'convq_jobs{state="queued"}') == 1
    assert sample(text, "convq_queue_messages") == 1
    assert sample(text, "convq_redis_up") == 1
    assert sample(text, 'convq_workers{device="cpu",state="up"}') == 0
    requests = 'convq_http_requests_total{{method="{}",route="{}",status="{}"}}'
    assert sample(text, requests.format("GET", "/v1/jobs/{job_id}", 404)) == 1
    assert sample(text, requests.format("GET", "unmatched", 404)) == 1
    assert 'method="BREW"' not in text
    assert sample(text, 'convq_http_received_bytes_total{route="/v1/artifacts"}') == 10
    seconds = 'convq_http_request_seconds_count{method="POST",route="/v1/artifacts"}'
    assert sample(text, seconds) == 1


def test_the_documentation_needs_no_other_host(http: httpx.Client) -> None:
    page = http.get("/docs")
    assert page.status_code == 200
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(addresses) == 3
    for address in addresses:
        assert address.startswith("/docs/assets/")
        assert http.get(address).status_code == 200
    assert "https://" not in page.text
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert http.get("/openapi.json").json()["info"]["title"] == "convq"
