from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Cancelled, Diverged, InvalidInput
from core.nets.data.dataset import Dataset
from core.nets.network import Network
from core.nets.training.options import TrainOptions
from core.nets.training.trainer import Trained, Trainer

MakeData = Callable[..., Dataset]
MakeNet = Callable[..., Network]

SGD = {"optimiser": "sgd", "momentum": 0.9}


def options(**fields: Any) -> TrainOptions:
    given = {"epochs": 3, "batch": 16, "schedule": {"schedule": "constant", "rate": 0.01}} | fields
    return TrainOptions.model_validate(given)


def same(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> bool:
    return first.keys() == second.keys() and all(
        first[name].tobytes() == second[name].tobytes() for name in first
    )


class Interrupt:
    """A check that raises once it has been called often enough."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self) -> None:
        if self.left == 0:
            raise Cancelled("enough")
        self.left -= 1


def train_in_pieces(
    make: Callable[[], Trainer], pieces: list[int], path: Path
) -> tuple[Trained, int]:
    """Train with a new trainer after every so many checks; return also how often it was cut."""
    cuts = 0
    for after in pieces:
        trainer = make()
        if cuts:
            trainer.restore(path)
        try:
            return trainer.run(check=Interrupt(after)), cuts
        except Cancelled:
            trainer.save(path)
            cuts += 1
    trainer = make()
    trainer.restore(path)
    return trainer.run(), cuts


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trainer") / "checkpoint"


def test_it_learns_classes(clouds: MakeData, dense: MakeNet) -> None:
    trained = Trainer(dense(3), clouds(300), options(epochs=10)).run()
    assert trained.evaluation is not None
    assert trained.evaluation.accuracy is not None
    assert trained.evaluation.accuracy > 0.9
    losses = [entry["validation_loss"] for entry in trained.history]
    assert losses[-1] < losses[0] / 2


def test_it_learns_numbers(sums: MakeData, dense: MakeNet) -> None:
    trained = Trainer(dense(1), sums(300), options(epochs=40)).run()
    assert trained.evaluation is not None
    assert trained.evaluation.accuracy is None
    assert trained.evaluation.loss < 0.01


@settings(max_examples=25)
@given(
    pieces=st.lists(st.integers(0, 12), min_size=1, max_size=6),
    seed=st.integers(0, 5),
    images=st.integers(20, 70),
    extra=st.sampled_from(
        [
            {},
            {"ema": 0.9, "clip": 0.5, "optimiser": SGD},
            {"early_stopping": {"patience": 1, "metric": "validation_accuracy"}},
            {"validation": 0.0, "schedule": {"schedule": "one_cycle", "rate": 0.1}},
        ]
    ),
)
def test_pieces_make_the_weights_of_the_whole_bit_for_bit(
    clouds: MakeData,
    network: MakeNet,
    path: Path,
    pieces: list[int],
    seed: int,
    images: int,
    extra: dict[str, Any],
) -> None:
    net = network(
        {"layer": "dense", "features": 6},
        {"layer": "batch_norm"},
        {"layer": "relu"},
        {"layer": "dropout", "rate": 0.3},
        {"layer": "dense", "features": 3},
    )

    def make() -> Trainer:
        return Trainer(net, clouds(images), options(seed=seed, **extra))

    whole = make().run()
    resumed, _ = train_in_pieces(make, pieces, path)
    assert same(whole.weights, resumed.weights)
    clocks = {"seconds", "seconds_left", "images_per_second"}
    for one, other in zip(whole.history, resumed.history, strict=True):
        assert all(one[name] == other[name] for name in one.keys() - clocks)


def test_augmented_images_are_the_same_after_a_cut(
    data_set: MakeData, network: MakeNet, path: Path
) -> None:
    random = np.random.default_rng(0)
    data = data_set(random.random((40, 1, 6, 6), np.float32), np.arange(40) % 3, 3)
    net = network(
        {"layer": "conv", "filters": 4, "kernel": 3},
        {"layer": "max_pool", "kernel": 2},
        {"layer": "flatten"},
        {"layer": "dense", "features": 3},
        shape=(1, 6, 6),
    )
    augment = [{"augment": "shift", "most": 0.4}, {"augment": "mixup"}]

    def make(**fields: Any) -> Trainer:
        return Trainer(net, data, options(**fields))

    whole = make(augment=augment).run()
    resumed, cuts = train_in_pieces(lambda: make(augment=augment), [3, 4, 1], path)
    assert cuts == 3
    assert same(whole.weights, resumed.weights)
    assert not same(whole.weights, make().run().weights)


@pytest.mark.parametrize("fields", [{"seed": 1}, {"batch": 8}, {"optimiser": SGD}, {"ema": 0.5}])
def test_what_is_asked_for_decides(
    clouds: MakeData, dense: MakeNet, fields: dict[str, Any]
) -> None:
    one, other = (Trainer(dense(3), clouds(), options(**more)).run() for more in ({}, fields))
    assert not same(one.weights, other.weights)


def test_every_image_is_seen_once_an_epoch_in_another_order(clouds: MakeData) -> None:
    from core.nets.training.batches import batches

    data = clouds(50)
    images = np.arange(5, 50)
    seen = [
        np.concatenate([x for x, _ in batches(data, images, options(), epoch)]) for epoch in (0, 1)
    ]
    assert not np.array_equal(*seen)
    whole = np.sort(data.batch(images)[0], axis=0)
    for x in seen:
        np.testing.assert_array_equal(np.sort(x, axis=0), whole)


def test_reports_are_json_and_tell_where_it_is(clouds: MakeData, dense: MakeNet) -> None:
    told: list[tuple[dict[str, Any], bool]] = []

    def report(metrics: Mapping[str, Any], *, lasts: bool = False) -> None:
        told.append((json.loads(json.dumps(metrics, allow_nan=False)), lasts))

    trained = Trainer(dense(3), clouds(), options(checkpoint_seconds=0)).run(report=report)
    epochs = [metrics for metrics, lasts in told if lasts]
    assert [metrics["epoch"] for metrics in epochs] == [1, 2, 3]
    assert epochs[-1]["seconds_left"] == 0
    assert epochs[0]["steps"] == epochs[0]["step"] == 4
    assert 0 <= epochs[0]["validation_accuracy"] <= 1
    assert epochs[0]["learning_rate"] == 0.01
    assert [entry["loss"] for entry in trained.history] == [entry["loss"] for entry in epochs]


def test_reports_come_twice_a_second_at_most(
    clouds: MakeData, dense: MakeNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.nets.training.pace import Pace

    def pace(hurry: float) -> Callable[[float], Pace]:
        times = iter(np.arange(0, 1000, hurry))
        return lambda seconds: Pace(seconds, clock=lambda: float(next(times)))

    def reports(hurry: float) -> int:
        told: list[bool] = []
        monkeypatch.setattr("core.nets.training.trainer.Pace", pace(hurry))
        trainer = Trainer(dense(3), clouds(), options(epochs=1, batch=4))
        trainer.run(report=lambda metrics, lasts=False: told.append(lasts))
        return told.count(False)

    assert reports(10.0) == 14
    # The clock is asked twice a step: for reports and for checkpoints.
    assert reports(0.05) == 2


def test_checkpoints_are_taken_by_the_clock_and_can_be_resumed(
    clouds: MakeData, dense: MakeNet, path: Path
) -> None:
    def make(seconds: float) -> Trainer:
        return Trainer(dense(3), clouds(), options(checkpoint_seconds=seconds))

    taken: list[int] = []

    def checkpoint(write: Callable[[Path], None]) -> None:
        write(path)
        taken.append(1)

    whole = make(0).run(checkpoint=checkpoint)
    assert len(taken) == 12
    resumed = make(0)
    resumed.restore(path)
    assert same(whole.weights, resumed.run().weights)
    make(3600).run(checkpoint=checkpoint)
    assert len(taken) == 12


def test_it_is_checked_before_every_batch(clouds: MakeData, dense: MakeNet) -> None:
    trainer = Trainer(dense(3), clouds(), options())
    with pytest.raises(Cancelled):
        trainer.run(check=Interrupt(2))
    assert trainer.state.progress.step == 2


def test_a_checkpoint_of_other_options_is_refused(
    clouds: MakeData, dense: MakeNet, path: Path
) -> None:
    Trainer(dense(3), clouds(), options()).save(path)
    with pytest.raises(InvalidInput, match="options differ"):
        Trainer(dense(3), clouds(), options(seed=1)).restore(path)
    with pytest.raises(InvalidInput, match="images differ"):
        Trainer(dense(3), clouds(70), options()).restore(path)


def test_early_stopping_keeps_the_best(data_set: MakeData, dense: MakeNet) -> None:
    # Labels by chance: what is learned of them makes validation worse before long.
    random = np.random.default_rng(0)
    data = data_set(random.normal(size=(60, 4)).astype(np.float32), random.integers(0, 3, 60), 3)
    wanted = options(epochs=200, validation=0.3, early_stopping={"patience": 3})
    trained = Trainer(dense(3), data, wanted).run()
    losses = [entry["validation_loss"] for entry in trained.history]
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + 3 < 200
    assert trained.epoch == best + 1
    assert trained.evaluation is not None
    assert trained.evaluation.loss == losses[best]


def test_a_data_set_for_validation_leaves_all_others_to_learn(
    clouds: MakeData, dense: MakeNet
) -> None:
    trainer = Trainer(dense(3), clouds(48), options(), clouds(30, seed=1))
    evaluation = trainer.run().evaluation
    assert evaluation is not None
    assert evaluation.images == 30
    assert trainer.state.progress.history[0]["steps"] == 3


def test_without_validation_nothing_is_kept_aside(clouds: MakeData, dense: MakeNet) -> None:
    trained = Trainer(dense(3), clouds(48), options(validation=0.0)).run()
    assert trained.evaluation is None
    assert trained.history[0]["validation_loss"] is None


def test_early_stopping_without_validation_is_refused(clouds: MakeData, dense: MakeNet) -> None:
    with pytest.raises(InvalidInput, match="needs images to validate with"):
        Trainer(dense(3), clouds(), options(validation=0.0, early_stopping={"patience": 1}))


def test_accuracy_of_numbers_cannot_be_watched(sums: MakeData, dense: MakeNet) -> None:
    stopping = {"patience": 1, "metric": "validation_accuracy"}
    with pytest.raises(InvalidInput, match="no accuracy without classes"):
        Trainer(dense(1), sums(), options(early_stopping=stopping))


def test_an_exploding_loss_stops_with_step_rate_and_last_finite_loss(
    sums: MakeData, dense: MakeNet
) -> None:
    wanted = options(
        epochs=50, optimiser=SGD, schedule={"schedule": "constant", "rate": 50.0}, validation=0.0
    )
    trainer = Trainer(dense(1), sums(), wanted)
    with pytest.raises(Diverged, match=r"at step \d+ of epoch \d+, with a learning rate of 50; "):
        trainer.run()
    progress = trainer.state.progress
    assert progress.last_loss is not None
    with pytest.raises(Diverged) as caught:
        trainer.run()
    assert f"the last finite loss was {progress.last_loss:.6g}" in str(caught.value)


def test_weights_that_are_not_finite_after_the_last_step_are_an_error(
    clouds: MakeData, dense: MakeNet
) -> None:
    trainer = Trainer(dense(3), clouds(), options(epochs=1, validation=0.0))
    with pytest.raises(Cancelled):
        trainer.run(check=Interrupt(3))
    trainer.run(check=Interrupt(100))
    assert trainer.finished
    broken = Trainer(dense(3), clouds(), options(epochs=1, validation=0.0, batch=100))
    broken.state.optimiser["dense1.weight.mean"][:] = np.inf
    with pytest.raises(Diverged, match=r"dense1.weight is not finite at step 1 of epoch 1"):
        broken.run()


def test_a_number_that_is_not_finite_is_named_before_it_is_learned(
    data_set: MakeData, dense: MakeNet
) -> None:
    x = np.ones((40, 4), np.float32)
    x[17, 2] = np.nan
    data = data_set(x, np.arange(40) % 3, 3)
    with pytest.raises(InvalidInput, match="image 17 has a number that is not finite"):
        Trainer(dense(3), data, options(validation=0.0))
    trainer = Trainer(dense(3), data, options(validation=0.0, standardize=False))
    with pytest.raises(InvalidInput, match="image 17 has a number that is not finite"):
        trainer.run()
    assert all(np.isfinite(array).all() for array in trainer.state.weights.values())


def test_finished_training_is_not_trained_again(
    clouds: MakeData, dense: MakeNet, path: Path
) -> None:
    trainer = Trainer(dense(3), clouds(), options())
    trained = trainer.run()
    trainer.save(path)
    again = Trainer(dense(3), clouds(), options())
    again.restore(path)
    assert again.finished
    assert same(trained.weights, again.run().weights)
