"""What ``convq train`` and ``convq sweep`` send."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convq.cli.training import training_fields, varied
from core.errors import InvalidInput
from core.jobs.sweep import SweepSpec
from core.jobs.train import TrainSpec

Convq = Callable[..., Any]
DIGEST = "sha256:" + "0" * 64


def job_body(service: Any) -> Any:
    posted = [r for r in service.requests if r.url.path == "/v1/jobs" and r.method == "POST"]
    return json.loads(posted[-1].content)


def test_only_given_options_are_sent(convq: Convq, service: Any) -> None:
    result = convq("train", "-m", "lenet5", "--data", "a.bin", "-e", 3, "--detach")
    assert result.exit_code == 0, result.stderr
    body = job_body(service)
    assert service.artifacts[body.pop("data")]["data"] == b"a.bin"
    assert body == {
        "kind": "train",
        "model": {"architecture": "lenet5"},
        "options": {"epochs": 3},
        "label": None,
    }


def test_all_options_are_sent_and_make_a_training(convq: Convq, service: Any) -> None:
    Path("net.json").write_text('{"input": [4], "layers": [{"layer": "dense", "features": 3}]}')
    options = "--batch 64 --seed 7 --optimiser sgd:momentum=0.9 --schedule cosine:rate=0.01"
    options += " --loss cross_entropy:label_smoothing=0.1 --augment shift:most=0.2 --augment flip"
    options += " --validation c.bin --patience 4 --set ema=0.99 --set clip=1 --with resize=8,8"
    options += " --priority batch --device gpu"
    result = convq("train", "-m", "net.json", "--data", DIGEST, "-d", *options.split())
    assert result.exit_code == 0, result.stderr
    body = job_body(service)
    spec = TrainSpec.model_validate(body)
    assert service.artifacts[spec.validation]["data"] == b"c.bin"
    assert spec.reading.resize == [8, 8]
    assert (spec.priority, spec.device) == ("batch", "gpu")
    assert (spec.options.batch, spec.options.seed, spec.options.ema) == (64, 7, 0.99)
    assert body["options"]["optimiser"] == {"optimiser": "sgd", "momentum": 0.9}
    assert [augment["augment"] for augment in body["options"]["augment"]] == ["shift", "flip"]


def test_a_share_for_validation_is_an_option(convq: Convq, service: Any) -> None:
    convq("train", "-m", "lenet5", "--data", DIGEST, "--validation", "0.2", "-d")
    body = job_body(service)
    assert (body["options"]["validation"], "validation" in body) == (0.2, False)


@pytest.mark.parametrize(
    "arguments",
    [["--watch", "--detach"], ["--detach", "--out", "x"], ["--set", "ema"], ["-m", "no.json"]],
)
def test_what_makes_no_sense_is_refused(convq: Convq, service: Any, arguments: list[str]) -> None:
    result = convq("train", "-m", "lenet5", "--data", DIGEST, *arguments)
    assert result.exit_code in (1, 2)
    assert not [r for r in service.requests if r.url.path == "/v1/jobs"]


def test_a_sweep_is_one_job(convq: Convq, service: Any) -> None:
    arguments = ["--vary", "options.batch=32,64", "--vary", "options.schedule.rate=0.001..0.1:log"]
    arguments += ["--trials", 5, "--halving", 1, "--factor", 2, "--objective", "validation_loss"]
    arguments += ["--priority", "batch", "--device", "gpu"]
    result = convq("sweep", "-m", "lenet5", "--data", DIGEST, "-d", *arguments)
    assert result.exit_code == 0, result.stderr
    body = job_body(service)
    spec = SweepSpec.model_validate(body)
    assert spec.train.model.architecture == "lenet5"
    assert (spec.priority, spec.device, spec.train.device) == ("batch", "auto", "gpu")
    assert (spec.trials, spec.halving.first, spec.halving.factor) == (5, 1, 2)
    assert body["vary"]["options.batch"] == [32, 64]
    assert spec.vary["options.schedule.rate"].scale == "log"


@pytest.mark.parametrize(
    ("command", "told"), [("train", "1200 images"), ("sweep --vary options.batch=8,16", "2 cand")]
)
def test_a_plan_queues_nothing(convq: Convq, service: Any, command: str, told: str) -> None:
    device = {"kind": "gpu", "name": "a GPU", "worker": None}
    service.plan = {"device": device, "seconds": 2.0, "bytes": 5, "groups": [], "why": "it is near"}
    service.plan |= {"images": 1200, "candidates": 2, "rungs": [{}]}
    asked = ["-m", "lenet5", "--data", DIGEST, "--plan"]
    result = convq(*command.split(), *asked)
    assert result.exit_code == 0, result.stderr
    for part in (told, "2.00 s", "a GPU", "it is near"):
        assert part in " ".join(result.stdout.split())
    assert json.loads(convq(*command.split(), *asked, "--json").stdout)["plan"]["seconds"] == 2
    assert convq(*command.split(), *asked, "--out", "x").exit_code == 2
    assert not [r for r in service.requests if r.url.path == "/v1/jobs"]


@pytest.mark.parametrize("text", ["", "=1", "options.batch=", "options.batch"])
def test_nothing_to_vary_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        varied([text])


def test_a_file_without_a_net_is_named(tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    for content in ("[1]", "{"):
        path.write_text(content)
        with pytest.raises(InvalidInput) as caught:
            training_fields(
                str(path), epochs=1, batch=None, seed=None, optimiser=None, schedule=None,
                loss=None, augment=None, validation=None, patience=None, further=None,
                reading=None,
            )  # fmt: skip
        assert caught.value.given == str(path)
