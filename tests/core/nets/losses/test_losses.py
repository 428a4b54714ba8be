"""Losses against their formulas in Python's own numbers, and gradients against differences."""

from __future__ import annotations

import math
import typing

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from core.errors import InvalidInput
from core.nets.losses import LOSSES, AnyLoss, loss_of

REGRESSIONS = [{"loss": "mse"}, {"loss": "mae"}, {"loss": "huber", "delta": 0.7}, {"loss": "bce"}]
CROSS_ENTROPIES = [{"loss": "cross_entropy"}, {"loss": "cross_entropy", "label_smoothing": 0.2}]
every_regression = pytest.mark.parametrize("spec", REGRESSIONS, ids=lambda spec: spec["loss"])
SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)


def value(spec: dict, outputs: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
    parsed = TypeAdapter(AnyLoss).validate_python(spec)
    return loss_of(parsed).value(parsed, outputs, targets)


def by_formula(spec: dict, y: float, t: float) -> float:
    """Return the loss of one number, as the literature writes it."""
    d = abs(y - t)
    match spec["loss"]:
        case "mse":
            return d * d
        case "mae":
            return d
        case "huber":
            return d * d / 2 if d <= spec["delta"] else spec["delta"] * (d - spec["delta"] / 2)
        case "bce":
            p = 1 / (1 + math.exp(-y))
            return -t * math.log(p) - (1 - t) * math.log(1 - p)
    raise AssertionError(spec)


def differences(spec: dict, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    gradient, step = np.empty_like(outputs), 1e-5
    for at in np.ndindex(outputs.shape):
        there, back = outputs.copy(), outputs.copy()
        there[at] += step
        back[at] -= step
        gradient[at] = (value(spec, there, targets)[0] - value(spec, back, targets)[0]) / (2 * step)
    return gradient


def test_the_union_is_of_all_losses() -> None:
    union = typing.get_args(typing.get_args(AnyLoss)[0])
    assert set(union) == {loss.spec for loss in LOSSES}
    assert {loss.spec.model_fields["loss"].annotation for loss in LOSSES} == {
        typing.Literal[loss.name] for loss in LOSSES
    }


def test_an_unknown_loss_is_refused_with_the_names_of_all() -> None:
    with pytest.raises(ValidationError, match=r"cross_entropy.*mse.*mae.*huber.*bce"):
        TypeAdapter(AnyLoss).validate_python({"loss": "hinge"})


@every_regression
@settings(max_examples=20)
@given(shape=SHAPES, images=st.integers(1, 4), seed=st.integers(0, 1000))
def test_losses_of_numbers_are_those_of_the_formulas(spec, shape, images, seed) -> None:
    random = np.random.default_rng(seed)
    outputs = random.standard_normal((*shape, images)) * 2
    targets = random.random((images, *shape))
    distances = abs(outputs - np.moveaxis(targets, 0, -1))
    # Differences say nothing about a gradient at a kink.
    assume(distances.min() > 1e-4 and abs(distances - 0.7).min() > 1e-4)
    expected = [
        by_formula(spec, float(outputs[(*at[1:], at[0])]), float(targets[at]))
        for at in np.ndindex(targets.shape)
    ]
    found, gradient = value(spec, outputs, targets)
    assert found == pytest.approx(sum(expected) / len(expected), rel=1e-12)
    np.testing.assert_allclose(gradient, differences(spec, outputs, targets), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("spec", CROSS_ENTROPIES)
@settings(max_examples=20)
@given(
    classes=st.integers(1, 5),
    places=st.lists(st.integers(1, 3), max_size=2).map(tuple),
    images=st.integers(1, 4),
    soft=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_cross_entropy_is_that_of_the_formula(spec, classes, places, images, soft, seed) -> None:
    random = np.random.default_rng(seed)
    outputs = random.standard_normal((classes, *places, images)) * 3
    labels = random.integers(0, classes, (images, *places))
    if soft:
        targets = np.moveaxis(random.dirichlet(np.ones(classes), (images, *places)), -1, 1)
    else:
        targets = labels
    smoothing, total = spec.get("label_smoothing", 0.0), 0.0
    for at in np.ndindex(labels.shape):
        logits = outputs[(slice(None), *at[1:], at[0])].tolist()
        normalizer = math.log(sum(math.exp(z) for z in logits))
        for k, z in enumerate(logits):
            q = float(targets[(at[0], k, *at[1:])]) if soft else float(targets[at] == k)
            total -= ((1 - smoothing) * q + smoothing / classes) * (z - normalizer)
    found, gradient = value(spec, outputs, targets)
    assert found == pytest.approx(total / labels.size, rel=1e-12, abs=1e-15)
    np.testing.assert_allclose(gradient, differences(spec, outputs, targets), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("spec", REGRESSIONS + CROSS_ENTROPIES, ids=str)
def test_dtypes_are_kept_and_nothing_is_written_to(spec) -> None:
    outputs = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)
    targets = np.full((5, 3), 1 / 3)
    outputs.flags.writeable = targets.flags.writeable = False
    found, gradient = value(spec, outputs, targets)
    assert type(found) is float
    assert (gradient.dtype, gradient.shape) == (np.float32, outputs.shape)
    assert not np.shares_memory(gradient, outputs)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_logits_do_not_overflow(dtype) -> None:
    huge = np.array([[3e4, -3e4, 0.0], [-3e4, 3e4, 0.0]], dtype)
    found, gradient = value({"loss": "cross_entropy"}, huge, np.array([0, 0, 0]))
    assert found == pytest.approx((6e4 + math.log(2)) / 3, rel=1e-6)
    np.testing.assert_allclose(gradient * 3, [[0, -1, -0.5], [0, 1, 0.5]])
    found, gradient = value({"loss": "bce"}, huge[:1], np.array([0.0, 0.0, 1.0]))
    assert found == pytest.approx((3e4 + math.log(2)) / 3, rel=1e-6)
    np.testing.assert_allclose(gradient * 3, [[1, 0, -0.5]])


@pytest.mark.parametrize("spec", REGRESSIONS + CROSS_ENTROPIES, ids=str)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_shows_without_a_warning(spec, bad) -> None:
    outputs = np.zeros((2, 2), np.float32)
    outputs[0, 1] = bad
    found, gradient = value(spec, outputs, np.full((2, 2), 0.5))
    assert not math.isfinite(found)
    assert np.isfinite(gradient[:, 0]).all()


def test_a_class_that_is_impossible_and_not_wanted_costs_nothing() -> None:
    outputs = np.array([[0.0], [-np.inf]])
    found, gradient = value({"loss": "cross_entropy"}, outputs, np.array([0]))
    assert found == 0
    np.testing.assert_array_equal(gradient, [[0], [0]])


@every_regression
def test_one_output_takes_one_number_per_image(spec) -> None:
    outputs = np.array([[0.5, -1.0, 2.0]])
    flat, column = np.array([0.0, 1.0, 1.0]), np.array([[0.0], [1.0], [1.0]])
    (a, da), (b, db) = value(spec, outputs, flat), value(spec, outputs, column)
    assert a == b
    np.testing.assert_array_equal(da, db)


@pytest.mark.parametrize(
    ("spec", "targets", "message"),
    [
        ({"loss": "mse"}, np.zeros((3, 4)), r"targets: .*given: \(3, 4\); accepted: \(4, 3\)"),
        ({"loss": "mae"}, np.zeros(4), r"targets: .*given: \(4,\)"),
        ({"loss": "bce"}, np.full((4, 3), 1.5), "targets: .*given: '1.5 to 1.5'.*from 0 to 1"),
        ({"loss": "bce"}, np.full((4, 3), np.nan), "targets: .*from 0 to 1"),
        ({"loss": "cross_entropy"}, np.array([0, 1, 2, 3]), "targets: .*0 to 3.*accepted: 0 to 2"),
        ({"loss": "cross_entropy"}, np.array([0, -1, 2, 2]), "targets: .*-1 to 2"),
        ({"loss": "cross_entropy"}, np.zeros(4), r"targets: .*float64 \(4,\)"),
        ({"loss": "cross_entropy"}, np.zeros(3, int), r"targets: .*int64 \(3,\)"),
        ({"loss": "cross_entropy"}, np.zeros((3, 4)), r"targets: .*given: \(3, 4\)"),
    ],
)
def test_targets_that_do_not_fit_are_refused(spec, targets, message) -> None:
    with pytest.raises(InvalidInput, match=message):
        value(spec, np.zeros((3, 4)), targets)
