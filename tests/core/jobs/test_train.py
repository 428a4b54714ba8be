"""The job kind ``train``, from Spec to stored model, without a queue."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from core.errors import Cancelled, ConvqError, InvalidInput, TooLarge, UnsupportedMedia
from core.jobs import train
from core.jobs.run import Continued, Drained, Run
from core.media import inspect
from core.nets.model import Model, load

EPOCHS_12 = {"epochs": 12, "batch": 16, "validation": 0.2}


def model_of(trainings: Any, run: Run, folder: Path) -> Model:
    path = folder / "model"
    path.write_bytes(trainings.result(run, "model.safetensors"))
    return load(path)


def names(run: Run) -> list[str]:
    return [entry["name"] for entry in run.results]


def test_a_training_leaves_a_model_its_figures_and_pictures(trainings: Any, tmp_path: Path) -> None:
    digest = trainings.data()
    run = trainings.run(trainings.spec(digest, options=EPOCHS_12))
    assert names(run) == [
        "model.safetensors", "metrics.json", "filters.png", "feature-maps.png", "confusion.png",
    ]  # fmt: skip
    model = model_of(trainings, run, tmp_path)
    assert model.classes == ("flat", "steep", "slanted")
    assert model.about["lineage"]["data"] == digest
    figures = json.loads(trainings.result(run, "metrics.json"))
    assert [entry["epoch"] for entry in figures["history"]] == list(range(1, 13))
    assert figures["validation_accuracy"] == model.about["metrics"]["validation_accuracy"] > 0.9
    assert np.sum(figures["evaluation"]["confusion"]) == 12
    for picture in names(run)[2:]:
        assert inspect(trainings.result(run, picture)).media_type == "image/png"
    assert (run.progress.done, run.progress.total) == (12, 12)
    assert set(run.timings) == {"load", "train", "store"}


def test_what_the_model_says_is_what_was_validated(trainings: Any, tmp_path: Path) -> None:
    training, other = trainings.data(), trainings.data(30, seed=1)
    run = trainings.run(trainings.spec(training, validation=other))
    model = model_of(trainings, run, tmp_path)
    file = tmp_path / "other.npz"
    file.write_bytes(trainings.artifacts.read(other))
    with np.load(file) as arrays:
        found = model.run(arrays["x"][:, None]).argmax(axis=1)
        accuracy = (found == arrays["y"]).mean()
    assert model.about["metrics"]["validation_accuracy"] == pytest.approx(accuracy)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stops=st.lists(st.integers(1, 9), min_size=1, max_size=4), drained=st.booleans())
def test_interrupted_trainings_give_the_same_file(
    trainings: Any, stops: list[int], drained: bool
) -> None:
    spec = trainings.spec(trainings.data(), options={"epochs": 3, "batch": 16, "ema": 0.9})
    saved: list[str] = []

    def keep(digest: str) -> bool:
        saved.append(digest)
        return True

    for stop in stops:
        run = trainings.make_run(spec, keep=keep, resumes_from=saved[-1] if saved else None)
        _interrupt(run, after=stop, error=Drained if drained else Continued)
        try:
            train.run(spec, run)
        except (Drained, Continued):
            continue
        break
    else:
        run = trainings.run(spec, resumes_from=saved[-1])
    whole = trainings.run(spec)
    assert names(run) == names(whole)
    assert trainings.result(run, "model.safetensors") == trainings.result(
        whole, "model.safetensors"
    )


def _interrupt(run: Run, *, after: int, error: type[ConvqError]) -> None:
    calls = 0
    check = run.check

    def stop() -> None:
        nonlocal calls
        check()
        calls += run.progress.stage.startswith("epoch")
        if calls == after:
            raise error("it is time")

    run.check = stop  # type: ignore[method-assign]


def test_a_cancel_stops_before_the_next_batch_and_saves_nothing_of_it(trainings: Any) -> None:
    spec = trainings.spec(trainings.data())
    saved: list[str] = []
    run = trainings.make_run(spec, keep=lambda digest: bool(saved.append(digest)) or True)
    reports = []
    run.report = lambda metrics, lasts=False: reports.append(metrics)
    _interrupt(run, after=3, error=Cancelled)
    with pytest.raises(Cancelled):
        train.run(spec, run)
    assert (run.results, saved, reports) == ([], [], [])


def test_a_paused_training_goes_on_in_another_job_as_if_in_one(
    trainings: Any, tmp_path: Path
) -> None:
    data = trainings.data()
    spec = trainings.spec(data, until=2)
    paused = trainings.run(spec)
    assert names(paused) == ["training.safetensors", "metrics.json"]
    assert (paused.progress.done, paused.progress.total) == (2, 2)
    (start,) = [e["digest"] for e in paused.results if e["name"] == "training.safetensors"]
    resumed = trainings.run(trainings.spec(data, start=start))
    whole = trainings.run(trainings.spec(data))
    histories = [json.loads(trainings.result(r, "metrics.json")) for r in (paused, whole)]
    assert [e["loss"] for e in histories[0]["history"]] == [
        e["loss"] for e in histories[1]["history"][:2]
    ]
    first, second = (model_of(trainings, run, tmp_path).weights for run in (resumed, whole))
    assert first.keys() == second.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])


def test_a_pause_at_the_last_epoch_is_the_end(trainings: Any) -> None:
    run = trainings.run(trainings.spec(trainings.data(), until=3))
    assert "model.safetensors" in names(run)


def test_a_training_of_another_net_is_not_gone_on_with(trainings: Any) -> None:
    data = trainings.data()
    paused = trainings.run(trainings.spec(data, until=1))
    start = paused.results[0]["digest"]
    with pytest.raises(InvalidInput, match="another training"):
        trainings.run(trainings.spec(data, start=start, options={"epochs": 4, "batch": 16}))
    with pytest.raises(UnsupportedMedia, match="no checkpoint"):
        trainings.run(trainings.spec(data, start=data))


def test_numbers_and_pictures_are_learned_too(trainings: Any) -> None:
    x = np.random.default_rng(0).normal(size=(40, 8, 8)).astype(np.float32)
    numbers = trainings.upload(x=x, y=x.mean(axis=(1, 2)).astype(np.float32))
    layers = [{"layer": "flatten"}, {"layer": "dense", "features": 1}]
    run = trainings.run(trainings.spec(numbers, model={"input": [1, 8, 8], "layers": layers}))
    assert names(run) == ["model.safetensors", "metrics.json"]
    pictures = trainings.upload(x=x)
    model = {"architecture": "autoencoder", "filters": [4, 2]}
    run = trainings.run(trainings.spec(pictures, model=model))
    assert names(run) == ["model.safetensors", "metrics.json", "filters.png", "feature-maps.png"]


def test_a_plan_tells_what_a_training_takes(trainings: Any) -> None:
    x = np.zeros((20, 28, 28), np.uint8)
    data = trainings.upload(x=x, y=np.arange(20) % 10)
    plan = trainings.plan(
        trainings.spec(data, model={"architecture": "lenet5"}, options={"epochs": 7})
    )
    assert plan["parameters"] == 61_706
    assert plan["multiply_adds"] == sum(layer["multiply_adds"] for layer in plan["layers"])
    assert plan["seconds"] == pytest.approx(7 * plan["seconds_per_epoch"])
    assert plan["layers"][-1]["shape"] == [10]
    assert (plan["data"]["count"], plan["images"]) == (20, 10)
    assert plan["bytes"] > 4 * 61_706 * 4
    json.dumps(plan, allow_nan=False)


def test_pictures_are_not_read_for_a_plan(trainings: Any) -> None:
    x, y = np.full((20, 8, 8), np.nan, np.float32), np.arange(20) % 3
    spec = trainings.spec(trainings.upload(x=x, y=y))
    trainings.plan(spec)
    with pytest.raises(InvalidInput, match="finite"):
        trainings.run(spec)


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"model": {"architecture": "lenet5"}}, "model.layers", "kernel"),
        (
            {"model": {"input": [1, 9, 9], "layers": [{"layer": "flatten"}]}},
            "data",
            "shape that the net takes",
        ),
        (
            {"model": {"input": [1, 8, 8], "layers": [{"layer": "flatten"}]}},
            "model",
            "another number of outputs",
        ),
        (
            {"model": {"input": [1, 8, 8], "layers": [{"layer": "dense", "features": 3}]}},
            "model.layers.0",
            "flatten",
        ),
        (
            {"options": {"epochs": 1, "loss": {"loss": "mse"}}},
            "options.loss.loss",
            "has classes",
        ),
        (
            {"options": {"epochs": 1, "validation": 0.0, "early_stopping": {"patience": 1}}},
            "options.early_stopping",
            "validate",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_it_is_queued(
    trainings: Any, fields: dict[str, Any], field: str, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        trainings.plan(trainings.spec(trainings.data(), **fields))
    assert caught.value.field.startswith(field)


def test_bad_data_are_refused_before_the_job_is_queued(trainings: Any) -> None:
    x = np.zeros((4, 8, 8), np.float32)
    for arrays, message in (
        ({"x": x, "y": np.arange(3)}, "as many labels as images"),
        ({"x": x, "y": np.array([0, 1, 1, 2])}, "single image"),
        ({"z": x}, "x"),
    ):
        with pytest.raises(InvalidInput, match=message):
            trainings.plan(trainings.spec(trainings.upload(**arrays)))
    other = trainings.upload(x=np.zeros((4, 8, 8), np.float32), y=np.arange(4) % 2)
    with pytest.raises(InvalidInput):
        trainings.plan(trainings.spec(trainings.data(), validation=other))


def test_a_net_too_large_for_the_worker_is_refused_before_it_is_queued(trainings: Any) -> None:
    layers = [
        {"layer": "flatten"},
        {"layer": "dense", "features": 1 << 16},
        {"layer": "dense", "features": 3},
    ]
    spec = trainings.spec(trainings.data(), model={"input": [1, 8, 8], "layers": layers})
    assert trainings.plan(spec)["bytes"] > 4 * (64 * 65_536 + 65_536 * 3)
    with pytest.raises(TooLarge, match="more memory"):
        trainings.plan(spec, memory_cap=1 << 24)


@pytest.mark.parametrize(
    ("model", "place"),
    [
        ({"architecture": "lenet6"}, "architecture"),
        ({"architecture": "lenet5", "colour": 1}, "colour"),
        ({"input": [1], "layers": [{"layer": "conw"}]}, "layers"),
        ({}, "model"),
        ("lenet5", "model"),
        (None, "model"),
        ([], "model"),
    ],
)
def test_a_bad_model_is_named_where_it_is_wrong(trainings: Any, model: Any, place: str) -> None:
    with pytest.raises(ValidationError) as caught:
        trainings.spec("sha256:" + "0" * 64, model=model)
    assert place in str(caught.value.errors()[0]["loc"])
