"""Requests leave lines that say who asked for what, and to which trace it belongs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from bench.chaos.arena import wait_until
from core.store.jobs import JobStore

TRACE = "0af7651916cd43dd8448eb211c80319c"
HEADERS = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}


def test_a_trace_goes_with_the_job_and_comes_back(
    http: httpx.Client, body: dict[str, Any], jobs: JobStore
) -> None:
    response = http.post("/v1/jobs", json=body, headers=HEADERS)
    version, trace, parent, flags = response.headers["traceparent"].split("-")
    assert (version, trace, flags) == ("00", TRACE, "01")
    assert parent != "b7ad6b7169203331"
    assert response.json()["trace"] == TRACE
    assert jobs.get(response.json()["id"]).trace == TRACE


def test_without_a_trace_there_is_a_new_one(submit: Callable[..., dict[str, Any]]) -> None:
    first, second = submit()["trace"], submit()["trace"]
    assert len(first) == len(second) == 32
    assert first != second


def test_requests_are_logged(
    http: httpx.Client, body: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    def lines() -> list[dict[str, Any]]:
        return [
            {name: vars(record)[name] for name in ("method", "route", "status")}
            for record in caplog.records
            if record.name == "api.middleware"
        ]

    with caplog.at_level(logging.INFO, "api.middleware"):
        http.post("/v1/jobs", json=body, headers=HEADERS)
        http.get("/v1/jobs")
        http.get("/v1/jobs/nothing?password=hunter2")
        # The answer goes first.
        assert wait_until(lambda: len(lines()) >= 2, 30)
    assert lines() == [
        {"method": "POST", "route": "/v1/jobs", "status": 202},
        {"method": "GET", "route": "/v1/jobs/{job_id}", "status": 422},
    ]
    assert "hunter2" not in str([vars(record) for record in caplog.records])
