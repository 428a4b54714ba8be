"""Spans from the request through the queue to the attempt, in the trace of the logs."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from core import spans
from core.errors import InvalidInput
from core.settings import Settings
from core.store.jobs import JobStore
from workers.runner import Runner

ROOT = Path(__file__).parents[2]
TRACE, CAUSE = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    spans.export_to("test", exporter)
    yield exporter
    spans.close()


def test_a_job_is_one_trace_from_the_request_to_the_attempt(
    http: httpx.Client,
    body: dict[str, Any],
    jobs: JobStore,
    settings: Settings,
    exporter: InMemorySpanExporter,
) -> None:
    answer = http.post("/v1/jobs", json=body, headers={"traceparent": f"00-{TRACE}-{CAUSE}-01"})
    job = jobs.get(answer.json()["id"])
    Runner(settings, worker="w1", pid=1, send=lambda: None).step()
    # What was told of is sent in batches, and at the end.
    spans.close()
    found = {
        span.name: span for span in exporter.get_finished_spans()
        if f"{span.context.trace_id:032x}" == TRACE
    }  # fmt: skip
    assert set(found) == {"POST /v1/jobs", "queue", "run convolve"}
    request, queue, run = (found[name] for name in ("POST /v1/jobs", "queue", "run convolve"))
    assert f"{request.parent.span_id:016x}" == CAUSE
    assert answer.headers["traceparent"] == f"00-{TRACE}-{request.context.span_id:016x}-01"
    assert job.span == f"{request.context.span_id:016x}"
    assert queue.parent.span_id == run.parent.span_id == request.context.span_id
    assert queue.start_time == pytest.approx(job.queued * 1e9)
    assert queue.end_time == run.start_time <= run.end_time
    assert run.attributes["convq.job"] == job.id
    assert run.attributes["convq.state"] == "succeeded"
    assert run.attributes["convq.stage.convolve.seconds"] > 0
    assert request.attributes["http.response.status_code"] == 202
    assert run.status.is_ok


def test_a_failure_is_told(
    http: httpx.Client,
    submit: Callable[..., dict[str, Any]],
    settings: Settings,
    exporter: InMemorySpanExporter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    submit()
    monkeypatch.setattr("workers.attempt.spec_of", lambda *_: 1 / 0)
    Runner(settings, worker="w1", pid=1, send=lambda: None).step()
    spans.close()
    (run,) = [span for span in exporter.get_finished_spans() if span.name == "run convolve"]
    assert not run.status.is_ok
    assert "defect" in run.status.description


def test_spans_reach_a_collector() -> None:
    got: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        spans.setup("convq-test", f"http://127.0.0.1:{server.server_port}/")
        spans.record("work", trace=TRACE, start=1, end=2)
        spans.close()
        server.shutdown()
        thread.join()
    ((path, content),) = got
    assert path == "/v1/traces"
    told = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    assert bytes.fromhex(TRACE) in told
    assert b"convq-test" in told


def test_without_an_address_nothing_is_told_nor_loaded_to_send_it() -> None:
    assert spans.new_id() is None
    code = (
        "import sys, api.app, workers.runner\n"
        "from core import spans\n"
        "spans.record('x', trace='0' * 31 + '1', start=0, end=1)\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry.exporter')]"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_an_address_without_the_extra_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InvalidInput, match=r"convq\[otel\]"):
        spans.setup("convq", "http://127.0.0.1:1")
