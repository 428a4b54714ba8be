"""The commands that look at a whole service, against a real one of which the test is the worker."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import redis
from rich.console import Console
from rich.text import Text
from typer.testing import CliRunner

from convq.cli import live
from convq.cli.app import app
from convq.client import Client
from core.conv.device import cpu
from core.errors import Unavailable
from core.settings import Settings
from core.store.jobs import JobStore, Progress
from core.store.workers import WorkerStore

Convq = Callable[..., Any]


@pytest.fixture
def convq(real_url: str, monkeypatch: pytest.MonkeyPatch) -> Convq:
    monkeypatch.setattr("convq.cli.console.out.width", 160)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("CONVQ_URL", real_url)
    return lambda *arguments: CliRunner().invoke(app, arguments)


@pytest.fixture
def submit(real_url: str) -> Callable[..., str]:
    def send(**fields: Any) -> str:
        with Client(real_url) as client:
            return client.submit(inputs=[np.ones((4, 4), np.float32)], kernel="box", **fields).id

    return send


@pytest.fixture
def busy(jobs: JobStore, client: redis.Redis, settings: Settings, submit: Any) -> dict[str, str]:
    """Return the jobs of a service in which one has failed, one runs and two are queued."""
    about = {"vitals": {"utilisation": 0.5, "memory": 2**30, "temperature": 61.0, "gpus": [
        {"name": "GPU \x1b[2J", "utilisation": 1.0, "memory": 10**9, "memory_total": 2 * 10**9,
         "temperature": 70.0, "watts": None}
    ]}, "device": vars(cpu())}  # fmt: skip
    WorkerStore(client, settings).beat("worker-1", about)
    failed = submit()
    (claimed,) = jobs.claim(worker="worker-1", pid=1, lease=60)
    line = {"time": "2026-11-22T12:00:00+00:00", "level": "warning", "logger": "core.x",
            "event": "it \x1b[2J smells", "attempt": 1, "fields": {"port": 80},
            "error": "ValueError", "traceback": "Traceback:\n  ValueError"}  # fmt: skip
    assert jobs.log(failed, claimed.attempt, [line])
    jobs.finish(failed, claimed.attempt, "failed", progress=Progress(), timings={})
    running = submit()
    jobs.claim(worker="worker-1", pid=1, lease=60)
    submit(priority="batch")
    return {"failed": failed, "running": running, "queued": submit(label="picture")}


def test_top_shows_everything_on_one_screen(convq: Convq, busy: dict[str, str]) -> None:
    shown = convq("top")
    assert shown.exit_code == 0, shown.output
    assert "2 ready   1 running   0 delayed   1 dead" in shown.stdout
    assert "■■■■■·····  50%" in shown.stdout
    assert "70 °C" in shown.stdout
    (lane,) = [line for line in shown.stdout.splitlines() if line.startswith("worker-1")]
    assert "convolve 0/1" in lane
    assert busy["running"] in lane
    assert busy["queued"] in shown.stdout
    assert "\x1b" not in shown.stdout


def test_stats_are_those_of_the_service(convq: Convq, busy: dict[str, str]) -> None:
    shown = convq("stats", "--window", "day")
    assert "submitted  4" in shown.stdout
    assert "0 succeeded, 1 failed, 0 cancelled" in shown.stdout
    assert "1 busy" in shown.stdout
    told = json.loads(convq("stats", "--json").stdout)
    assert told["stats"]["priorities"]["batch"]["ready"] == 1
    assert told["history"]["total"]["failed"] == 1
    assert convq("stats", "--window", "year").exit_code == 2


def test_the_queue_by_priority(convq: Convq, busy: dict[str, str]) -> None:
    rows = [line.split()[:3] for line in convq("queue").stdout.splitlines()]
    assert ["normal", "1", "1"] in rows
    assert ["batch", "1", "0"] in rows
    assert json.loads(convq("queue", "--json").stdout)["counts"]["failed"] == 1


def test_logs_between_the_attempts(convq: Convq, busy: dict[str, str]) -> None:
    shown = convq("logs", busy["failed"])
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    assert "warning core.x: it �[2J smells port=80" in lines[0]
    assert lines[1:3] == ["  Traceback:", "    ValueError"]
    assert lines[3:] == ["attempt 1 begins on worker-1", "attempt 1 ends, failed"]
    followed = convq("logs", busy["failed"], "--follow").stdout
    assert followed.startswith("queued\nrunning by worker-1\n")
    assert followed.endswith("failed\n")
    assert "smells" in followed
    (line,) = json.loads(convq("logs", busy["failed"], "--json").stdout)["lines"]
    assert (line["level"], line["fields"]) == ("warning", {"port": 80})
    assert "convq logs" in convq("logs", busy["running"]).stderr
    assert "convq queue" in convq("logs", busy["queued"]).stderr
    assert convq("logs", busy["failed"], "--follow", "--json").exit_code == 2


def test_jobs_are_listed_once_where_there_is_no_terminal(
    convq: Convq, busy: dict[str, str]
) -> None:
    shown = convq("jobs", "--watch", "--state", "running")
    assert busy["running"] in shown.stdout
    assert busy["queued"] not in shown.stdout
    assert convq("jobs", "--watch", "--json").exit_code == 2


@pytest.mark.parametrize("screen", [True, False])
def test_a_view_stays_until_it_is_interrupted(
    monkeypatch: pytest.MonkeyPatch, screen: bool
) -> None:
    console = Console(force_terminal=True, width=60, height=10, record=True)
    monkeypatch.setattr(live, "out", console)
    monkeypatch.setattr(live, "EVERY", 0)
    frames = iter(["first", "second", Unavailable("the service is away"), KeyboardInterrupt()])
    drawn = []

    def draw() -> Text:
        frame = next(frames)
        drawn.append(frame)
        if isinstance(frame, BaseException):
            raise frame
        return Text(frame)

    live.stay(draw, screen=screen)
    assert len(drawn) == 4
    shown = console.export_text()
    assert "second" in shown
    # What was seen last stays, and it is said that it is old.
    assert "the service is away; this is how it was; try: convq doctor\nsecond" in "\n".join(
        line.rstrip() for line in shown.splitlines()
    )
