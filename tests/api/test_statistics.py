from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import redis

from core.settings import Settings
from core.store.workers import WorkerStore

Submit = Callable[..., dict[str, Any]]


def test_how_the_service_fares(
    http: httpx.Client,
    submit: Submit,
    finish: Callable[..., None],
    client: redis.Redis,
    settings: Settings,
) -> None:
    WorkerStore(client, settings).beat("worker-1", {})
    ids = [submit()["id"] for _ in range(3)]
    submit(priority="batch")
    finish(ids[0])
    finish(ids[1], state="failed")
    answer = http.get("/v1/stats").json()
    assert {name: answer[name] for name in ("ready", "running", "delayed", "dead", "paused")} == {
        "ready": 2,
        "running": 0,
        "delayed": 0,
        "dead": 1,
        "paused": False,
    }
    assert {name: line["ready"] for name, line in answer["priorities"].items()} == {
        "interactive": 0,
        "normal": 1,
        "batch": 1,
    }
    assert answer["priorities"]["interactive"]["oldest_seconds"] is None
    assert 0 <= answer["oldest_seconds"] == answer["priorities"]["normal"]["oldest_seconds"] < 60
    recent = answer["recent"]
    assert (recent["submitted"], recent["succeeded"], recent["failed"]) == (4, 1, 1)
    assert 300 <= recent["seconds"] <= 360
    assert recent["per_minute"] == pytest.approx(60 * 2 / recent["seconds"], abs=1e-3)
    assert 0 < recent["waited"]["p50"] <= recent["waited"]["p99"] < 60
    others = ("busy", "draining", "out", "unknown", "down")
    assert answer["workers"] == {"up": 1} | dict.fromkeys(others, 0)


@pytest.mark.parametrize(
    ("window", "seconds", "count"), [("hour", 60, 60), ("day", 600, 144), ("week", 3600, 168)]
)
def test_how_it_has_fared(
    http: httpx.Client,
    submit: Submit,
    finish: Callable[..., None],
    window: str,
    seconds: int,
    count: int,
) -> None:
    done = submit()["id"]
    finish(done)
    http.delete(f"/v1/jobs/{done}").raise_for_status()
    answer = http.get("/v1/stats/history", params={"window": window}).json()
    assert (answer["window"], answer["step_seconds"], len(answer["points"])) == (
        window,
        seconds,
        count,
    )
    assert sum(point["submitted"] for point in answer["points"]) == 1
    assert sum(point["succeeded"] for point in answer["points"]) == 1
    assert answer["total"]["succeeded"] == 1
    assert answer["total"]["ran"]["p50"] is not None
    empty = answer["points"][0]
    assert (empty["per_minute"], empty["ran"]["p50"], empty["seconds"]) == (0, None, seconds)
    assert answer["points"][-1]["seconds"] <= seconds


def test_an_unknown_window_is_refused(http: httpx.Client) -> None:
    answer = http.get("/v1/stats/history?window=year")
    assert answer.status_code == 422
    assert answer.json()["accepted"] == ["hour", "day", "week"]
