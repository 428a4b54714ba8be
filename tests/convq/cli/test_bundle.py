from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convq.cli import bundle
from core.edge.precision import PRECISIONS
from core.nets.model import Model, save
from core.nets.network import Network
from core.nets.spec import NetSpec


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """Run a command in a folder with a model and a key."""
    from typer.testing import CliRunner

    from convq.cli.app import app

    monkeypatch.setattr("convq.cli.console.out.width", 100)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)
    layers = [{"layer": "flatten"}, {"layer": "dense", "features": 3}]
    spec = NetSpec.model_validate({"input": [1, 4, 4], "layers": layers})
    save(Model(spec, Network(spec).init(seed=0), {"classes": ["a", "b", "c"]}), "net.safetensors")
    runner = CliRunner()
    result = runner.invoke(app, ["edge", "key", "key.pem"])
    assert len(result.stdout.strip()) == 64
    monkeypatch.setenv("CONVQ_SIGNING_KEY", "key.pem")
    return lambda *arguments: runner.invoke(app, [str(argument) for argument in arguments])


def test_a_bundle_from_a_file(run: Callable[..., Any], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", x=random.integers(0, 9, (20, 4, 4)), y=np.arange(20) % 3)
    made = run("bundle", "net.safetensors", "--profile", "arm64", "--precision", "int8",
               "--samples", "data.npz")  # fmt: skip
    assert made.exit_code == 0, made.output
    assert "Any 64-bit ARM box" in made.stdout
    assert "cortex-a78, cortex-a57" in made.stdout
    assert "on 20 images: accuracy" in made.stdout
    shown = run("bundle", "show", "net-arm64.convq", "--json")
    document = json.loads(shown.stdout)
    assert document["model"]["name"] == "net"
    assert [step["op"] for step in document["steps"]] == ["input", "conv"]
    assert document["bytes"] == (tmp_path / "net-arm64.convq").stat().st_size


def test_running_it(run: Callable[..., Any], tmp_path: Path) -> None:
    np.save(tmp_path / "image.npy", np.ones((4, 4)))
    assert run("bundle", "net.safetensors", "--profile", "x86", "--standalone").exit_code == 0
    done = run("edge", "run", "net-x86.pyz", "--input", "image.npy", "--numpy")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["label"] in ("a", "b", "c")
    wrong = run("edge", "run", "net-x86.pyz", "--input", "image.npy", "--key", "00" * 32)
    assert wrong.exit_code == 1
    assert "signed by another key" in wrong.stderr
    no_key = run("edge", "run", "net-x86.pyz", "--input", "image.npy", "--key", "abc")
    assert (no_key.exit_code, "64 hexadecimals" in no_key.stderr) == (2, True)


def test_another_board(run: Callable[..., Any], tmp_path: Path) -> None:
    np.save(tmp_path / "image.npy", np.ones((4, 4)))
    run("bundle", "net.safetensors", "--profile", "jetson-thor", "--out", "b")
    refused = run("edge", "run", "b", "--input", "image.npy")
    assert (refused.exit_code, "another board" in refused.stderr) == (1, True)


def test_what_is_not_acceptable(run: Callable[..., Any], tmp_path: Path) -> None:
    no_profile = run("bundle", "net.safetensors", "--profile", "toaster")
    assert (no_profile.exit_code, "jetson-tk1" in no_profile.stderr) == (2, True)
    (tmp_path / "other").write_bytes(b"no bundle")
    assert "no bundle" in run("bundle", "show", "other").stderr
    twice = run("edge", "key", "key.pem")
    assert (twice.exit_code, "already" in twice.stderr) == (1, True)


def test_profiles(run: Callable[..., Any]) -> None:
    lines = run("bundle", "profiles").stdout.splitlines()
    (tk1,) = (line for line in lines if "NVIDIA Jetson TK1" in line)
    # Its watts were read nowhere.
    assert tk1.rstrip().endswith("4 / 11 ?")
    found = json.loads(run("bundle", "profiles", "--json").stdout)
    assert found["profiles"][0]["source"]


def test_the_precisions_are_those_of_the_core() -> None:
    assert bundle.Precision.__args__ == PRECISIONS  # type: ignore[attr-defined]
