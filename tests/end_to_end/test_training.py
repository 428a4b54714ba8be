"""Trainings go on where they were, whatever happens to their worker: to the same weights."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import convq
from convq.client.models import Job
from convq.stack import LocalStack
from core.errors import InvalidInput
from core.nets.data import load
from core.nets.model import load as load_model
from core.nets.network import Network
from core.nets.spec import NetSpec
from core.nets.training.options import TrainOptions
from core.nets.training.trainer import Trainer
from core.settings import Settings
from core.store.connection import connect
from core.store.jobs import JobStore

pytestmark = pytest.mark.stack

EPOCHS = 12
MODEL: dict[str, Any] = {
    "input": [1, 16, 16],
    "layers": [
        {"layer": "conv", "filters": 16, "kernel": 3},
        {"layer": "relu"},
        {"layer": "max_pool", "kernel": 2},
        {"layer": "dropout", "rate": 0.2},
        {"layer": "flatten"},
        {"layer": "dense", "features": 3},
    ],
}
OPTIONS: dict[str, Any] = {"epochs": EPOCHS, "batch": 8, "checkpoint_seconds": 0.2}


def data_set() -> bytes:
    random = np.random.default_rng(0)
    y = np.arange(3000) % 3
    x = random.normal(size=(3000, 16, 16)).astype(np.float32) + y[:, None, None] / 8
    file = io.BytesIO()
    np.savez(file, x=x, y=y)
    return file.getvalue()


@pytest.fixture(scope="module")
def expected() -> dict[str, NDArray[Any]]:
    """Return the weights of a training in one piece, without any service."""
    network = Network(NetSpec.model_validate(MODEL))
    return Trainer(network, load(data_set()), TrainOptions.model_validate(OPTIONS)).run().weights


@pytest.fixture(scope="module")
def training_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Run a stack that cuts every training into pieces of a second."""
    data = tmp_path_factory.mktemp("training")
    fast = {
        "lease": 2,
        "heartbeat_interval": 0.5,
        "reconcile_interval": 0.3,
        "resend_after": 1,
        "drain": 0.2,
        "continue_after": 1,
        "store_url": str(data / "artifacts"),
    }
    with LocalStack(data, settings=fast) as running:
        yield running


@pytest.fixture
def client(training_stack: LocalStack) -> Iterator[convq.Client]:
    with convq.Client(training_stack.url) as client:
        yield client


def submit(client: convq.Client, **options: Any) -> Job:
    data = client.upload(data_set())
    return client.submit("train", data=data, model=MODEL, options=OPTIONS | options)


def wait_until(
    client: convq.Client, job: Job, reached: Callable[[Job], bool], timeout: float = 60
) -> Job:
    deadline = time.monotonic() + timeout
    while not reached(now := client.job(job.id)):
        assert not now.ended, f"{now.state} too early: {now.error}"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return now


def is_saved_and_running(job: Job) -> bool:
    return job.checkpointed is not None and job.metrics is not None and job.state == "running"


def assert_same_weights(
    client: convq.Client, job: Job, expected: dict[str, NDArray[Any]], folder: Path
) -> Job:
    done = client.wait(job, timeout=120)
    assert (done.state, done.error) == ("succeeded", None)
    weights = load_model(client.result(done, "model.safetensors", as_=folder / "model")).weights
    assert weights.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(weights[name], array)
    return done


def outcomes(job: Job) -> set[str]:
    return {attempt.outcome or "" for attempt in job.attempts}


def test_a_training_in_pieces_tells_how_it_goes(
    client: convq.Client, expected: dict[str, NDArray[Any]], tmp_path: Path
) -> None:
    job = submit(client)
    now = wait_until(client, job, lambda now: now.metrics is not None)
    assert now.metrics is not None
    assert {"epoch", "loss", "accuracy", "learning_rate", "images_per_second", "seconds_left"} <= (
        now.metrics.keys()
    )
    done = assert_same_weights(client, job, expected, tmp_path)
    assert outcomes(done) == {"continued", "succeeded"}
    assert (done.progress.done, done.progress.total) == (EPOCHS, EPOCHS)
    told = [event.data for event in client.events(done) if event.name == "metrics"]
    epochs = [metrics["epoch"] for metrics in told if "validation_loss" in metrics]
    assert epochs == list(range(1, EPOCHS + 1))
    figures = json.loads(client.result(done, "metrics.json", as_="bytes"))
    assert [entry["epoch"] for entry in figures["history"]] == epochs
    assert done.plan is not None
    assert done.plan.model_extra is not None
    assert done.plan.model_extra["parameters"] == sum(a.size for a in expected.values())


def test_a_training_whose_process_is_killed_goes_on_from_its_checkpoint(
    training_stack: LocalStack,
    client: convq.Client,
    expected: dict[str, NDArray[Any]],
    tmp_path: Path,
) -> None:
    job = submit(client)
    wait_until(client, job, is_saved_and_running)
    pid = JobStore(connect(Settings(redis_url=training_stack.redis_url))).get(job.id).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    done = assert_same_weights(client, job, expected, tmp_path)
    assert outcomes(done) & {"lost", "expired"}


def test_a_cancelled_training_keeps_its_checkpoint_and_goes_on_when_retried(
    client: convq.Client, expected: dict[str, NDArray[Any]], tmp_path: Path
) -> None:
    job = submit(client)
    wait_until(client, job, is_saved_and_running)
    client.cancel(job)
    cancelled = client.wait(job, timeout=10)
    assert (cancelled.state, client.results(job).results) == ("cancelled", [])
    assert cancelled.checkpointed is not None
    assert cancelled.metrics is not None
    client.retry(job)
    done = assert_same_weights(client, job, expected, tmp_path)
    assert done.checkpointed is None
    assert "cancelled" in outcomes(done)


def test_the_example_of_the_page_runs(
    client: convq.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text()
    *_, example = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    y = np.arange(60) % 3
    np.savez(
        tmp_path / "mnist-small.npz", x=np.ones((60, 20, 20), np.uint8) * y[:, None, None], y=y
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONVQ_URL", client.url)
    names: dict[str, Any] = {"convq": convq, "Path": Path}
    exec(example, names)
    assert client.wait(names["job"], timeout=60).state == "succeeded"


def test_a_sweep_is_waited_for_without_a_worker_and_compared(client: convq.Client) -> None:
    # One worker only: a sweep that kept it would wait for its candidates for ever.
    train = {
        "kind": "train",
        "data": client.upload(data_set()).digest,
        "model": MODEL,
        "options": OPTIONS | {"epochs": 2, "batch": 100},
    }
    rates = [0.0001, 0.003, 0.01]
    job = client.submit(
        "sweep",
        train=train,
        vary={"options.schedule.rate": rates},
        objective="validation_accuracy",
        halving={"first": 1},
    )
    done = client.wait(job, timeout=60)
    assert (done.state, done.error) == ("succeeded", None)
    rows = json.loads(client.result(done, "sweep.json", as_="bytes"))["candidates"]
    assert [row["epochs"] for row in rows] == [2, 1, 1]
    assert sorted(row["values"]["options.schedule.rate"] for row in rows) == rates
    assert {found.parent for found in client.jobs(label=job.id)} == {job.id}
    with pytest.raises(InvalidInput, match="no such field"):
        client.submit("sweep", train=train, vary={"options.colour": [1, 2]})


def test_a_training_that_diverges_says_where(client: convq.Client) -> None:
    schedule = {"schedule": "constant", "rate": 100.0}
    job = submit(client, schedule=schedule, optimiser={"optimiser": "sgd", "momentum": 0.99})
    failed = client.wait(job, timeout=30)
    assert failed.error is not None
    assert (failed.state, failed.error.code) == ("failed", "diverged")
    assert "step" in failed.error.message
    assert "learning rate" in failed.error.message
    assert client.results(job).results == []


def test_a_worker_that_stops_hands_its_training_over(
    training_stack: LocalStack, expected: dict[str, NDArray[Any]], tmp_path: Path
) -> None:
    seen: set[str] = set()
    for _ in range(5):
        with convq.Client(training_stack.url) as client:
            job = submit(client)
            wait_until(client, job, is_saved_and_running)
        training_stack.stop()
        training_stack.start()
        with convq.Client(training_stack.url) as client:
            seen |= outcomes(assert_same_weights(client, job, expected, tmp_path))
        if "released" in seen:
            break
        # On a busy machine its second was over before the worker heard that it should stop.
    assert "released" in seen
