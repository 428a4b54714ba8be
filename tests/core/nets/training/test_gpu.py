"""Training on a GPU, on CuPy's stand-in: the same as on a processor, and nothing is read within."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import Cancelled, Diverged, InvalidInput
from core.nets.architectures import lenet5
from core.nets.network import Network
from core.nets.training.evaluation import evaluate
from core.nets.training.gpu import loss_scale, training
from core.nets.training.options import TrainOptions
from core.nets.training.trainer import Trainer
from tests.core.conv.cuda import capture

IMAGE = (2, 6, 6)
LAYERS = [
    # Of a constant before batch norm the gradient is what rounding leaves of zero.
    {"layer": "conv", "filters": 4, "kernel": 3, "padding": 1, "bias": False},
    {"layer": "batch_norm"},
    {"layer": "relu"}, {"layer": "max_pool", "kernel": 2},
    {"layer": "conv", "filters": 3, "kernel": 2, "stride": 2},
    {"layer": "flatten"}, {"layer": "dense", "features": 5}, {"layer": "dropout", "rate": 0.25},
    {"layer": "dense", "features": 3},
]  # fmt: skip
CERTAIN = [layer for layer in LAYERS if layer["layer"] != "dropout"]


@pytest.fixture(scope="module")
def patched(tmp_path_factory):
    with capture.nets(tmp_path_factory.mktemp("none")) as found:
        yield found


@pytest.fixture
def recorder(patched):
    """Count what the host reads, and capture."""
    found = patched[1]
    found.reads, found.launches, found.refuses = 0, 0, None
    found.left.clear()
    return found


@pytest.fixture
def trainer(patched, data_set, network) -> Callable[..., Trainer]:
    """Make a training of a small net on small images, on the device or on the processor."""
    cupy, _ = patched

    def make(on_gpu: bool, layers: Any = CERTAIN, room: int = 1 << 20, **fields: Any) -> Trainer:
        random = np.random.default_rng(0)
        y = np.arange(90) % 3
        x = random.normal(size=(90, *IMAGE)) + y[:, None, None, None] * random.random(IMAGE)
        data = data_set((40 * x + 90).clip(0, 255).astype(np.uint8), y, 3)
        given = {"epochs": 3, "batch": 16, "schedule": {"schedule": "one_cycle", "rate": 0.02}}
        options = TrainOptions.model_validate(given | fields)
        net = network(*layers, shape=IMAGE)
        return Trainer(net, data, options, gpu=cupy if on_gpu else None, room=room)

    return make


def close(found: Any, expected: Any) -> None:
    assert found.weights.keys() == expected.weights.keys()
    for name, weight in expected.weights.items():
        assert type(found.weights[name]) is np.ndarray
        np.testing.assert_allclose(found.weights[name], weight, rtol=2e-3, atol=2e-4)
    for one, other in zip(found.history, expected.history, strict=True):
        for name in ("loss", "validation_loss", "learning_rate"):
            assert one[name] == pytest.approx(other[name], rel=1e-3, abs=1e-4)
        assert one["accuracy"] == pytest.approx(other["accuracy"], abs=0.03)


def same(found: Any, expected: Any) -> bool:
    return all(found.weights[n].tobytes() == w.tobytes() for n, w in expected.weights.items())


@pytest.mark.parametrize("room", [1 << 20, 0], ids=["resident", "staged"])
@pytest.mark.parametrize(
    "fields",
    [
        {"ema": 0.9, "clip": 0.5},
        {"optimiser": {"optimiser": "adamw", "weight_decay": 0.1}},
        {"optimiser": {"optimiser": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
         "augment": [{"augment": "flip"}, {"augment": "crop", "padding": 1},
                     {"augment": "cutout", "size": 2, "fill": "mean"}]},
        {"optimiser": {"optimiser": "rmsprop", "momentum": 0.5},
         "augment": [{"augment": "shift", "most": 0.3}, {"augment": "mixup"}]},
        {"optimiser": {"optimiser": "adadelta"}, "schedule": {"schedule": "cosine", "rate": 1.0},
         "early_stopping": {"patience": 1}},
    ],
    ids=lambda fields: str(fields.get("optimiser", {"optimiser": "adam"})["optimiser"]),
)  # fmt: skip
def test_a_training_gives_what_it_gives_on_a_processor(trainer, recorder, fields, room) -> None:
    found = trainer(True, room=room, **fields).run()
    assert recorder.launches > 0
    close(found, trainer(False, **fields).run())


def test_a_launched_step_is_the_recorded_one_with_other_data(trainer, recorder, caplog) -> None:
    fields = {"layers": LAYERS, "ema": 0.9, "clip": 0.5, "seed": 3}
    launched = trainer(True, **fields).run()
    # 81 images make five steps of two shapes; one step of each shape is the first one.
    assert recorder.launches == 3 * 5 - 2
    recorder.refuses = "cudaErrorStreamCaptureUnsupported"
    with caplog.at_level(logging.WARNING):
        eager = trainer(True, **fields).run()
    assert recorder.launches == 3 * 5 - 2
    assert [recorder.refuses in record.message for record in caplog.records] == [True]
    assert same(launched, eager)
    assert [e["loss"] for e in launched.history] == [e["loss"] for e in eager.history]


def test_nothing_is_read_before_all_steps_are_launched(trainer, recorder, monkeypatch) -> None:
    monkeypatch.setattr(training, "_SECONDS", 1e9)
    steps = trainer(True, layers=LAYERS, clip=1.0, ema=0.9, batch=4, precision="mixed")
    recorder.reads = 0
    found = steps._there.epoch(0, 0, lambda number: 0.01, lambda: None)
    # The 81st image is not left alone.
    assert len(next(found)) == 20
    assert recorder.reads == 1


def test_where_cuda_refuses_a_step_it_says_so(trainer, recorder, caplog) -> None:
    layers = [{"layer": "flatten"}, {"layer": "reshape", "to": [1, 72]},
              {"layer": "log_mel", "frame": 16, "hop": 8, "sample_rate": 8000, "bands": 3},
              {"layer": "flatten"}, {"layer": "dense", "features": 3}]  # fmt: skip
    found = trainer(True, layers=layers).run()
    assert recorder.launches == 0
    assert ["cuBLAS" in record.message for record in caplog.records] == [True]
    close(found, trainer(False, layers=layers).run())


def test_what_a_training_took_is_given_back(trainer, recorder) -> None:
    trainer(True).run()
    assert recorder.launches > 0
    assert recorder.left == set()


class Interrupt:
    """A check that raises when it is called for the given time."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cancelled("enough")


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("then", [True, False])
def test_it_goes_on_wherever_it_began(trainer, tmp_path: Path, first, then) -> None:
    begun = trainer(first, ema=0.9)
    with pytest.raises(Cancelled):
        begun.run(check=Interrupt(13))
    assert begun.state.progress.epoch == 1
    assert 0 < begun.state.progress.step < 5
    begun.save(tmp_path / "checkpoint")
    resumed = trainer(then, ema=0.9)
    resumed.restore(tmp_path / "checkpoint")
    found, whole = resumed.run(), trainer(then, ema=0.9).run()
    close(found, whole)
    assert same(found, whole) or first is not then


def test_a_loss_that_is_not_finite_is_told_as_on_a_processor(trainer) -> None:
    layers = [{"layer": "flatten"}, *({"layer": "dense", "features": n} for n in (9, 9, 3))]
    fields = {
        "optimiser": {"optimiser": "sgd"},
        "schedule": {"schedule": "constant", "rate": 100.0},
        "epochs": 20,
    }
    told = []
    for on_gpu in (True, False):
        with pytest.raises(Diverged, match="the last finite loss was") as error:
            trainer(on_gpu, layers=layers, **fields).run()
        told.append(str(error.value).partition(";")[0])
    assert told[0] == told[1]


@pytest.mark.parametrize("room", [1 << 20, 0], ids=["resident", "staged"])
def test_what_the_device_would_not_see_is_refused_before(patched, data_set, network, room) -> None:
    cupy, _ = patched
    words = np.full((8, 5), 7)
    net = network({"layer": "embedding", "vocabulary": 7, "features": 2}, {"layer": "flatten"},
                  {"layer": "dense", "features": 2}, shape=(5,))  # fmt: skip
    options = TrainOptions(epochs=1, validation=0.0)
    with pytest.raises(InvalidInput, match="vocabulary"):
        Trainer(net, data_set(words, np.arange(8) % 2, 2), options, gpu=cupy, room=room).run()
    x = np.zeros((8, 4), np.float32)
    bce = TrainOptions.model_validate({"epochs": 1, "validation": 0.0, "loss": {"loss": "bce"}})
    net = network({"layer": "dense", "features": 1})
    with pytest.raises(InvalidInput, match="probabilities"):
        Trainer(net, data_set(x, 2 + x[:, :1]), bce, gpu=cupy, room=room).run()
    x[3, 1] = np.nan
    plain = TrainOptions(epochs=1, validation=0.0, standardize=False)
    with pytest.raises(InvalidInput, match="image 3"):
        Trainer(net, data_set(x, x[:, :1] * 0), plain, gpu=cupy, room=room).run()


def test_mixed_precision_reaches_what_float32_reaches(patched, recorder, data_set) -> None:
    cupy, _ = patched
    random = np.random.default_rng(0)
    y = np.arange(96) % 3
    x = random.normal(128, 20, (96, 1, 16, 16))
    x[np.arange(96), 0, 3 + 5 * y] += 80
    data = data_set(x.clip(0, 255).astype(np.uint8), y, 3)
    net = lenet5.build(lenet5.LeNet5Spec(architecture="lenet5"), (1, 16, 16), 3)
    found, accuracies = [], []
    for precision in ("float32", "mixed"):
        options = TrainOptions.model_validate(
            {"epochs": 4, "batch": 16, "precision": precision, "validation": 0.0}
        )
        training = Trainer(Network(net), data, options, gpu=cupy)
        found.append(training.run())
        # On the processor, which the weights are float32 for.
        said = evaluate(training.network, found[-1].weights, data, training.loss)
        accuracies.append(said.accuracy)
    assert accuracies[0] > 0.9
    assert accuracies[1] >= accuracies[0] - 0.04
    assert all(weight.dtype == np.float32 for weight in found[1].weights.values())


def test_a_step_whose_gradients_overflow_is_not_taken(trainer) -> None:
    training = trainer(True, precision="mixed", ema=0.9, batch=90, epochs=5)
    state = training.state
    state.optimiser[loss_scale.SCALE][...] = 2.0**24
    training._hand_over()
    before = {name: array.copy() for name, array in state.weights.items()}
    figures = training._there.epoch(0, 0, lambda number: 0.01, lambda: None)
    (step,) = next(figures)
    training._there.store(state)
    assert np.isfinite(step.loss)
    assert state.optimiser[loss_scale.SCALE] == 2.0**23
    assert state.optimiser["step"] == 0
    for name, array in state.weights.items():
        np.testing.assert_array_equal(array, before[name])
        np.testing.assert_array_equal(state.average[name], before[name])


def test_the_scale_grows_while_gradients_are_finite(monkeypatch) -> None:
    monkeypatch.setattr(loss_scale, "_PATIENCE", 3)
    kept = loss_scale.fresh()
    scales = []
    for finite in (True, True, True, True, False, True):
        loss_scale.adapt(kept, np.array(finite), np)
        scales.append(float(kept[loss_scale.SCALE]) / 2**16)
    assert scales == [1, 1, 2, 2, 1, 1]


@pytest.mark.parametrize("allowed", ["tf32", "bfloat16", None])
def test_every_product_with_weights_may_be_rounded_as_the_options_say(
    trainer, recorder, allowed
) -> None:
    layers = [
        {"layer": "conv", "filters": 4, "kernel": 3, "padding": 1}, {"layer": "relu"},
        {"layer": "conv_transpose", "filters": 2, "kernel": 2}, {"layer": "flatten"},
        {"layer": "dense", "features": 3},
    ]  # fmt: skip
    fields = {} if allowed is None else {"precision": allowed}
    training = trainer(True, layers=layers, epochs=1, **fields)
    with capture.precisions() as found:
        list(training._there.epoch(0, 0, lambda number: 0.01, lambda: None))
    assert recorder.launches > 0
    # A first step, the one that is recorded, and the first of another shape. Dense layers are
    # convolutions back, too; those of the transposed layer are exchanged.
    steps, precision = 3, allowed or "float32"
    forward, back = (1 + 1 + 3) * steps, (1 + 2 + 0) * steps
    assert Counter(found) == {
        ("plan", precision): forward, ("gradients", precision): back
    }  # fmt: skip
    # Where there are no tensor cores nothing is rounded, nor on a processor.
    if allowed is not None:
        for on_gpu in (True, False):
            both = (trainer(on_gpu, epochs=1, precision=p).run() for p in (allowed, "float32"))
            assert same(*both)


def test_mixed_precision_on_a_processor_is_refused(trainer) -> None:
    with pytest.raises(InvalidInput, match="precision"):
        trainer(False, precision="mixed")
