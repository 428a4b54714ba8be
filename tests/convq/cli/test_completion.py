from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from convq.cli import completion
from convq.cli.app import app

Convq = Callable[..., Any]


def offered(line: str) -> str:
    """Return what the shell is told after a Tab at the end of the line."""
    environment = {"_CONVQ_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": line}
    return CliRunner().invoke(app, prog_name="convq", env=environment).stdout


@pytest.mark.parametrize("line", ["convq submit convolve --kernel gau", "convq kernels gau"])
def test_presets(line: str) -> None:
    assert "gaussian" in offered(line)
    assert "box" not in offered(line)
    assert completion.presets("sobel") == ["sobel-x", "sobel-y", "sobel-magnitude"]


def test_job_ids(convq: Convq, service: Any) -> None:
    convq("submit", "convolve", "a.bin", "-k", "box", "--label", "pets")
    (job_id,) = service.jobs
    assert list(completion.job_ids(job_id[:6])) == [(job_id, "succeeded pets")]
    assert list(completion.job_ids("zzz")) == []
    for command in ("show", "watch", "results", "cancel", "retry", "delete"):
        assert job_id in offered(f"convq {command} {job_id[:4]}")


def test_a_service_that_is_away_offers_nothing(
    convq: Convq, service: Any, naps: list[float]
) -> None:
    service.faults += [httpx.ConnectError("refused")] * 4
    assert list(completion.job_ids("")) == []


def test_completion_is_installed_by_typer(convq: Convq) -> None:
    assert "--install-completion" in convq("--help").stdout
