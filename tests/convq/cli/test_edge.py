"""``convq edge`` for whoever looks after boxes, against the real API."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from convq.cli import completion
from convq.cli.app import app
from core.edge.bundle import build
from core.edge.profiles import profile
from core.edge.signing import SigningKey
from core.nets.model import Model
from core.nets.network import Network
from core.nets.spec import NetSpec


@pytest.fixture
def convq(real_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("CONVQ_URL", real_url)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    return lambda *arguments: CliRunner().invoke(app, ["edge", *map(str, arguments)])


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    layers = [{"layer": "flatten"}, {"layer": "dense", "features": 2}]
    spec = NetSpec.model_validate({"input": [1, 3, 3], "layers": layers})
    model = Model(spec, Network(spec).init(seed=0), {})
    path = tmp_path / "net.convq"
    path.write_bytes(build(model, profile("x86"), SigningKey.new(), name="net", sequence=3))
    return path


def test_from_the_token_to_the_results(
    convq: Callable[..., Any], real_url: str, bundle: Path
) -> None:
    assert "no groups" in convq("groups").stderr
    made = convq("enrol", "cams", "--expires", "30m")
    assert made.exit_code == 0, made.output
    token = made.stdout.strip()
    assert token not in made.stderr
    body = {"token": token, "group": "cams", "name": "box-1"}
    digest = hashlib.sha256(b"s").hexdigest()
    with httpx.Client(base_url=real_url) as http:
        box = http.post("/v1/edge/enrol", json=body | {"digest": digest}).json()["box"]
        key = {"Authorization": f"Bearer convq_{box}_s"}
        delivery = {"spool": "0" * 16, "before": 0, "results": [{"class": 1}, {"class": 2}]}
        http.post("/v1/edge/box/results", json=delivery, headers=key)
    shown = convq("rollout", "cams", bundle, "--stages", "50,100")
    assert shown.exit_code == 0, shown.output
    assert "net 3: rolling at 50 %, 0 of 1 boxes" in shown.stdout
    assert "x86" in shown.stdout
    assert list(completion.groups("ca")) == ["cams"]
    assert "stopped" in convq("rollout", "cams", "--stop").stdout
    assert "an operator stopped it" in convq("rollout", "cams").stdout
    resumed = json.loads(convq("rollout", "cams", "--resume", "--json").stdout)
    assert resumed["rollout"]["state"] == "done"
    assert "net 3: done" in convq("groups").stdout
    listed = convq("boxes", "cams").stdout
    assert box in listed
    assert "box-1" in listed
    found = convq("results", "cams")
    assert [json.loads(line)["class"] for line in found.stdout.splitlines()] == [1, 2]
    after = found.stderr.split("--after")[1].strip()
    assert convq("results", "cams", "--after", after).stdout == ""
    assert convq("remove", box).exit_code == 0
    assert convq("remove", box).exit_code == 1
    assert "no boxes" in convq("boxes", "cams").stderr


def test_what_is_not_acceptable(convq: Callable[..., Any], bundle: Path) -> None:
    for arguments in (
        ("rollout", "cams", bundle, "--stop"),
        ("rollout", "cams", bundle, "--stages", "many"),
        ("rollout", "cams", bundle, "--stages", "50"),
        ("enrol", "A B"),
        ("enrol", "cams", "--expires", "soon"),
    ):
        assert convq(*arguments).exit_code == 2, arguments


def test_the_agent_is_given_what_the_command_is_given(
    convq: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[list[str]] = []
    monkeypatch.setattr("core.edge.agent.main.main", lambda arguments: given.append(arguments))
    done = convq(
        *("agent", "--server", "http://x", "--group", "g", "--input", "-in", "--key", "00"),
        *("--poll", "2", "--any-board"),
    )
    assert done.exit_code == 0, done.output
    (arguments,) = given
    assert {"--server=http://x", "--input=-in", "--poll=2.0", "--any-board"} <= set(arguments)
    assert "--numpy" not in arguments
    assert not any(argument.startswith("--token") for argument in arguments)
