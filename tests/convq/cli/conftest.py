from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from convq.cli.app import app
from convq.client import Client


@pytest.fixture
def convq(service: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """Run a command against the stand-in, with three files at hand, in 80 columns, no colour."""
    monkeypatch.setattr(
        "convq.client.Client",
        partial(Client, transport=httpx.MockTransport(service)),
    )
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("CONVQ_URL", "http://convq.test")
    monkeypatch.chdir(tmp_path)
    for name in ("a.bin", "bad.bin", "c.bin"):
        (tmp_path / name).write_bytes(name.encode())
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let no time pass in pauses; note them."""
    naps: list[float] = []
    # In this module only: other threads of the process sleep as well.
    quick = SimpleNamespace(**(vars(time) | {"sleep": naps.append}))
    monkeypatch.setattr("convq.client.blocking.time", quick)
    return naps
