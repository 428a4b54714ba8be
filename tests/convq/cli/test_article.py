"""What the commands of one kind of job each send."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from core.jobs.registry import by_name

CASES = {
    "spectrum a.bin --window hann --rings 8 --directions 12 --deskew --coefficients": {
        "window": "hann", "rings": 8, "directions": 12, "deskew": True, "coefficients": True,
    },
}  # fmt: skip


def body(service: Any) -> Any:
    posted = [r for r in service.requests if r.url.path == "/v1/jobs" and r.method == "POST"]
    return json.loads(posted[-1].content)


@pytest.mark.parametrize("line", CASES)
def test_all_options_reach_the_job(convq: Callable[..., Any], service: Any, line: str) -> None:
    result = convq(*line.split(), "--label", "x", "-d")
    assert result.exit_code == 0, result.stderr
    sent = body(service)
    kind = line.split()[0]
    spec = by_name(kind).spec.model_validate(sent)
    assert service.artifacts[sent["inputs"][0]["artifact"]]["data"] == b"a.bin"
    stated = spec.model_dump(mode="json", exclude_unset=True)
    assert {name: stated[name] for name in CASES[line]} == CASES[line]
    assert set(stated) == {"kind", "inputs", "label", *CASES[line]}


@pytest.mark.parametrize("kind", sorted({line.split()[0] for line in CASES}))
def test_only_given_options_are_sent(convq: Callable[..., Any], service: Any, kind: str) -> None:
    assert convq(kind, "a.bin", "-d").exit_code == 0
    assert set(body(service)) == {"kind", "inputs", "label"}
