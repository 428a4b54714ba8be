from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Cancelled, InvalidInput
from core.nets.data.dataset import Dataset
from core.nets.losses.cross_entropy import CrossEntropySpec
from core.nets.losses.mae import MaeSpec
from core.nets.network import Network
from core.nets.training.evaluation import evaluate

MakeData = Callable[..., Dataset]
MakeNet = Callable[[int], Network]

CROSS_ENTROPY = CrossEntropySpec(loss="cross_entropy")


@settings(max_examples=30)
@given(
    images=st.integers(1, 60),
    classes=st.integers(2, 5),
    batch=st.integers(1, 70),
    seed=st.integers(0, 99),
)
def test_figures_are_those_of_images_one_by_one(
    data_set: MakeData, dense: MakeNet, images: int, classes: int, batch: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    x = random.normal(size=(100, 4)).astype(np.float32)
    data = data_set(x, random.integers(0, classes, 100), classes)
    net = dense(classes)
    weights = net.init(seed)
    chosen = random.permutation(100)[:images]
    found = evaluate(net, weights, data, CROSS_ENTROPY, chosen, batch=batch)

    loss, confusion, wrong = 0.0, np.zeros((classes, classes), int), {}
    for index in chosen.tolist():
        image, (label,) = data.batch([index])
        scores = net.run(weights, image)[0].astype(float)
        likely = np.exp(scores) / np.exp(scores).sum()
        loss -= np.log(likely[label]) / images
        confusion[label, scores.argmax()] += 1
        if scores.argmax() != label:
            wrong[index] = likely[label]
    assert found.images == images
    assert found.loss == pytest.approx(loss, rel=1e-5)
    assert found.accuracy == pytest.approx(np.trace(confusion) / images)
    np.testing.assert_array_equal(found.confusion, confusion)
    worst = sorted(wrong.values())[:16]
    assert [mistake.probability for mistake in found.mistakes] == pytest.approx(worst, rel=1e-4)
    for mistake in found.mistakes:
        assert mistake.probability == pytest.approx(wrong[mistake.image], rel=1e-4)
        assert mistake.label == data.batch([mistake.image])[1][0] != mistake.taken_for


def test_numbers_have_a_loss_only(sums: MakeData, dense: MakeNet) -> None:
    net, data = dense(1), sums()
    weights = net.init(0)
    found = evaluate(net, weights, data, MaeSpec(loss="mae"), batch=7)
    x, y = data.batch(range(len(data)))
    assert found.loss == pytest.approx(np.abs(net.run(weights, x) - y).mean(), rel=1e-5)
    assert (found.accuracy, found.confusion, found.mistakes) == (None, None, ())


def test_it_is_json_ready(clouds: MakeData, sums: MakeData, dense: MakeNet) -> None:
    classes = evaluate(dense(3), dense(3).init(0), clouds(), CROSS_ENTROPY).to_dict()
    assert json.loads(json.dumps(classes)) == classes
    assert set(classes["mistakes"][0]) == {"image", "label", "taken_for", "probability"}
    numbers = evaluate(dense(1), dense(1).init(0), sums(), MaeSpec(loss="mae")).to_dict()
    assert json.loads(json.dumps(numbers)) == numbers


def test_it_can_be_stopped(clouds: MakeData, dense: MakeNet) -> None:
    def stop() -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        evaluate(dense(3), dense(3).init(0), clouds(), CROSS_ENTROPY, check=stop)


def test_a_number_that_is_not_finite_is_named(data_set: MakeData, dense: MakeNet) -> None:
    x = np.zeros((10, 4), np.float32)
    x[6, 0] = np.inf
    data = data_set(x, np.zeros(10, int), 3)
    with pytest.raises(InvalidInput, match="image 6 has a number that is not finite"):
        evaluate(dense(3), dense(3).init(0), data, CROSS_ENTROPY)
