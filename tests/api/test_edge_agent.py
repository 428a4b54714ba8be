"""Agents as boxes run them, against the service: processes that are killed at any moment."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from core.edge.bundle import build
from core.edge.profiles import profile
from core.edge.signing import SigningKey
from core.nets.model import Model
from core.nets.network import Network
from core.nets.spec import NetSpec

# Far more than is ever needed: the machine may be slow.
PATIENCE = 120


@pytest.fixture(scope="module")
def signing() -> SigningKey:
    return SigningKey.new()


@pytest.fixture(scope="module")
def bundle(signing: SigningKey) -> Callable[..., bytes]:
    """Return a function that makes the bundle of a small net."""
    layers = [{"layer": "flatten"}, {"layer": "dense", "features": 2}]
    spec = NetSpec.model_validate({"input": [1, 3, 3], "layers": layers})
    model = Model(spec, Network(spec).init(seed=0), {"classes": ["cat", "dog"]})

    def make(sequence: int, key: SigningKey = signing) -> bytes:
        return build(model, profile("x86"), key, name="net", sequence=sequence)

    return make


class Box:
    """A folder with an agent's things, and the agent, which can be killed and started again."""

    def __init__(self, url: str, folder: Path, key: str, token: str) -> None:
        self.inbox = folder / "inbox"
        self.inbox.mkdir()
        self._command = [
            *(sys.executable, "-m", "core.edge.agent", "--server", url, "--group", "cams"),
            *("--input", str(self.inbox), "--state", str(folder / "state"), "--key", key),
            *("--token", token, "--poll", "0.1", "--report", "0.2", "--trial", "0.1"),
            *("--watchdog", str(PATIENCE)),
        ]
        self._log = (folder / "log").open("wb")
        self.log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = dict(os.environ, no_proxy="*")
        self._process = subprocess.Popen(self._command, stderr=self._log, env=environment)

    def kill(self, number: int = signal.SIGKILL) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(PATIENCE)

    def give(self, name: str) -> None:
        part = self.inbox / f"{name}.part"
        with part.open("wb") as file:
            np.save(file, np.random.default_rng(len(name)).normal(size=(1, 3, 3)))
        part.rename(self.inbox / f"{name}.npy")

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
        self._log.close()


@pytest.fixture
def box(http: httpx.Client, url: str, tmp_path: Path, signing: SigningKey) -> Iterator[Box]:
    token = http.post("/v1/edge/groups/cams/tokens", json={}).json()["token"]
    made = Box(url, tmp_path, signing.public.hex(), token)
    yield made
    made.close()


def eventually(found: Callable[[], Any], box: Box) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        value = found()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(box.log.read_text())


def roll_out(http: httpx.Client, content: bytes) -> None:
    digest = http.post("/v1/artifacts", content=content).json()["digest"]
    answer = http.post("/v1/edge/groups/cams/rollout", json={"artifact": digest})
    assert answer.status_code == 200, answer.text


def state(http: httpx.Client) -> tuple[str, int | None]:
    group = http.get("/v1/edge/groups/cams").json()
    release = group["release"]
    return group["rollout"]["state"], None if release is None else release["sequence"]


def results(http: httpx.Client) -> list[dict[str, Any]]:
    page = http.get("/v1/edge/groups/cams/results?limit=200").json()
    assert page["next"] is None
    return [
        json.loads(line)
        for delivery in page["deliveries"]
        for line in http.get(f"/v1/artifacts/{delivery['artifact']}").text.splitlines()
    ]


def test_a_box_that_is_killed_again_and_again(
    http: httpx.Client, box: Box, bundle: Callable[..., bytes]
) -> None:
    roll_out(http, bundle(1))
    # There is nobody to wait for yet.
    assert state(http) == ("done", 1)
    chance = random.Random(0)
    for number in range(5):
        box.start()
        for part in range(3):
            box.give(f"{number}-{part}")
        if number == 2:
            roll_out(http, bundle(2))
        time.sleep(chance.uniform(0.3, 0.9))
        box.kill()
    box.start()
    # Everything else may have been delivered before: this tells that the last process works.
    box.give("last")
    expected = {f"{number}-{part}.npy" for number in range(5) for part in range(3)} | {"last.npy"}
    eventually(lambda: expected <= {line["input"] for line in results(http)}, box)
    eventually(lambda: state(http)[0] != "rolling", box)
    # Who was killed again and again within its trial has gone back to what it ran before.
    assert state(http) in (("done", 2), ("stopped", 1)), box.log.read_text()
    found = results(http)
    assert Counter(line["input"] for line in found) == Counter(expected)
    assert [line["number"] for line in found] == list(range(1, len(found) + 1))
    assert {line["label"] for line in found} <= {"cat", "dog"}
    assert not list(box.inbox.iterdir())
    (shown,) = http.get("/v1/edge/groups/cams/boxes").json()["boxes"]
    runs = {"done": 2, "stopped": 1}[state(http)[0]]

    def health() -> dict[str, Any]:
        (shown,) = http.get("/v1/edge/groups/cams/boxes").json()["boxes"]
        return shown["health"] or {"version": {"sequence": None}}

    eventually(lambda: health()["version"]["sequence"] == runs, box)
    assert health()["memory"] > 1 << 20
    assert shown["group"] == "cams"
    assert box.kill(signal.SIGTERM) == 0


def test_a_bundle_of_another_key_stops_the_roll_out(
    http: httpx.Client, box: Box, bundle: Callable[..., bytes]
) -> None:
    roll_out(http, bundle(1))
    box.start()
    box.give("a")
    eventually(lambda: results(http), box)
    roll_out(http, bundle(2, SigningKey.new()))
    eventually(lambda: state(http)[0] == "stopped", box)
    reason = http.get("/v1/edge/groups/cams").json()["rollout"]["reason"]
    assert "signed by another key" in reason
    box.give("b")
    eventually(lambda: len(results(http)) == 2, box)
    assert [line["sequence"] for line in results(http)] == [1, 1]
