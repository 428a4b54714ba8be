"""Training on a GPU, run on one: ``pytest -m gpu``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.nets.architectures import ARCHITECTURES, lenet5
from core.nets.network import Network
from core.nets.training.gpu import graph
from core.nets.training.options import TrainOptions
from core.nets.training.trainer import Trained, Trainer

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def cupy(real_cupy: Any) -> Any:
    """The real one."""
    return real_cupy


def trained(data_set: Any, gpu: Any, **fields: Any) -> tuple[Trainer, Trained]:
    random = np.random.default_rng(0)
    y = np.arange(600) % 3
    x = random.normal(128, 30, (600, 1, 28, 28))
    x[np.arange(600), 0, 6 + 6 * y] += 60
    data = data_set(x.clip(0, 255).astype(np.uint8), y, 3)
    net = lenet5.build(lenet5.LeNet5Spec(architecture="lenet5"), (1, 28, 28), 3)
    given = {"epochs": 3, "batch": 64, "clip": 1.0, "ema": 0.9} | fields
    trainer = Trainer(Network(net), data, TrainOptions.model_validate(given), gpu=gpu)
    return trainer, trainer.run()


def test_a_training_gives_what_it_gives_on_a_processor(cupy, data_set) -> None:
    trainer, found = trained(data_set, cupy)
    assert trainer.on_gpu == {"resident": True, "without_graphs": None}
    _, expected = trained(data_set, None)
    for one, other in zip(found.history, expected.history, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=0.05, abs=0.01)
    assert found.evaluation.accuracy == pytest.approx(expected.evaluation.accuracy, abs=0.05)


def test_graphs_and_single_launches_give_the_same_bits(cupy, data_set, monkeypatch) -> None:
    _, launched = trained(data_set, cupy)
    monkeypatch.setattr(graph._OfShape, "launch", lambda self, _, take, x, y: take(x, y))
    _, single = trained(data_set, cupy)
    for name, weight in single.weights.items():
        np.testing.assert_array_equal(launched.weights[name], weight)


@pytest.mark.parametrize("precision", ["mixed", "tf32", "bfloat16"])
def test_less_precision_reaches_what_float32_reaches(cupy, data_set, precision) -> None:
    trainer, found = trained(data_set, cupy, precision=precision)
    assert trainer.on_gpu["without_graphs"] is None
    assert found.evaluation.accuracy > 0.95


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda found: found.name)
def test_steps_of_every_architecture_are_captured(cupy, data_set, architecture) -> None:
    given = {"vocabulary": 50} if architecture.name == "kim" else {}
    spec = architecture.spec(architecture=architecture.name, **given)
    network = Network(architecture.build(spec, architecture.input, architecture.outputs))
    random = np.random.default_rng(0)
    if given:
        x = random.integers(0, 50, (32, *architecture.input))
    else:
        x = random.normal(size=(32, *architecture.input)).astype(np.float32)
    if len(network.output_shape) == 1:
        classes = network.output_shape[0]
        names = classes if 1 < classes <= 10 else None
        y = np.arange(32) % classes if names else random.normal(size=(32, classes))
        data = data_set(x, y if names else y.astype(np.float32), names)
    else:
        y = random.normal(size=(32, *network.output_shape)).astype(np.float32)
        data = data_set(x, y)
    options = TrainOptions(epochs=2, batch=8, validation=0.0)
    trainer = Trainer(network, data, options, gpu=cupy)
    losses = [entry["loss"] for entry in trainer.run().history]
    assert np.isfinite(losses).all()
    # The spectra of sounds go through cuBLAS, which CuPy does not capture.
    assert (trainer.on_gpu["without_graphs"] is None) == (architecture.name != "audio")
