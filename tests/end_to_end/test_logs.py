"""What the processes of a running stack write down."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import numpy as np
import pytest

import convq
from convq.stack import LocalStack

pytestmark = pytest.mark.stack

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def lines(stack: LocalStack, name: str) -> list[dict[str, Any]]:
    text = (stack.data / "logs" / f"{name}.log").read_text()
    # The last line may be half written.
    return [json.loads(line) for line in text.split("\n")[:-1]]


def test_a_trace_leads_from_the_request_to_the_worker(
    stack: LocalStack, client: convq.Client
) -> None:
    digest = client.upload(np.zeros((8, 8), np.float32)).digest
    body = {"kind": "convolve", "inputs": [digest], "kernel": {"preset": "box", "size": 3}}
    header = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    answer = httpx.post(f"{stack.url}/v1/jobs", json=body, headers=header).json()
    client.wait(answer["id"])
    deadline = time.monotonic() + 30
    told: list[dict[str, Any]] = []
    while [line["event"] for line in told] != ["job begins", "job ends"]:
        assert time.monotonic() < deadline, told
        told = [line for line in lines(stack, "worker-1") if line.get("trace") == TRACE]
    assert {(line["job"], line["attempt"], line["tenant"]) for line in told} == {
        (answer["id"], 1, "default")
    }
    (request,) = (line for line in lines(stack, "api") if line.get("trace") == TRACE)
    assert (request["event"], request["status"], request["tenant"]) == ("request", 202, "default")
