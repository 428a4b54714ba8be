"""Optimisers against PyTorch's published algorithms, one number at a time."""

from __future__ import annotations

import math
import typing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from core.nets.optimisers import OPTIMISERS, AnyOptimiser, optimiser_of

SPECS = [
    {"optimiser": "sgd"},
    {"optimiser": "sgd", "weight_decay": 0.1},
    {"optimiser": "sgd", "momentum": 0.9, "weight_decay": 0.1},
    {"optimiser": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    {"optimiser": "adam"},
    {"optimiser": "adam", "beta1": 0.7, "beta2": 0.9, "epsilon": 0.1, "weight_decay": 0.1},
    {"optimiser": "adamw"},
    {"optimiser": "adamw", "weight_decay": 0.3},
    {"optimiser": "adadelta"},
    {"optimiser": "adadelta", "rho": 0.5, "epsilon": 1e-3, "weight_decay": 0.1},
    {"optimiser": "rmsprop"},
    {"optimiser": "rmsprop", "alpha": 0.5, "momentum": 0.9, "weight_decay": 0.1},
]
every_spec = pytest.mark.parametrize("spec", SPECS, ids=str)


def parsed(spec: dict) -> typing.Any:
    return TypeAdapter(AnyOptimiser).validate_python(spec)


def published(
    spec: typing.Any, w: float, gradients: list[float], rates: list[float], decay: float
) -> float:
    """Return a weight after the steps, by the pseudocode of ``torch.optim``'s documentation.

    It follows ``SGD`` (dampening 0), ``Adam``, ``AdamW``, ``Adadelta`` and ``RMSprop`` (not
    centered), with the names used there.
    """
    b = m = v = u = 0.0
    for t, (g, lr) in enumerate(zip(gradients, rates, strict=True), start=1):
        if spec.optimiser == "adamw":
            w = w - lr * decay * w
        elif decay:
            g = g + decay * w
        match spec.optimiser:
            case "sgd":
                if spec.momentum:
                    b = spec.momentum * b + g if t > 1 else g
                    g = g + spec.momentum * b if spec.nesterov else b
                w = w - lr * g
            case "adam" | "adamw":
                m = spec.beta1 * m + (1 - spec.beta1) * g
                v = spec.beta2 * v + (1 - spec.beta2) * g**2
                m_hat, v_hat = m / (1 - spec.beta1**t), v / (1 - spec.beta2**t)
                w = w - lr * m_hat / (math.sqrt(v_hat) + spec.epsilon)
            case "adadelta":
                v = spec.rho * v + (1 - spec.rho) * g**2
                change = math.sqrt(u + spec.epsilon) / math.sqrt(v + spec.epsilon) * g
                u = spec.rho * u + (1 - spec.rho) * change**2
                w = w - lr * change
            case "rmsprop":
                v = spec.alpha * v + (1 - spec.alpha) * g**2
                step = g / (math.sqrt(v) + spec.epsilon)
                if spec.momentum:
                    b = spec.momentum * b + step
                    step = b
                w = w - lr * step
    return w


def test_the_union_is_of_all_optimisers() -> None:
    union = typing.get_args(typing.get_args(AnyOptimiser)[0])
    assert set(union) == {optimiser.spec for optimiser in OPTIMISERS}
    assert {spec["optimiser"] for spec in SPECS} == {optimiser.name for optimiser in OPTIMISERS}


@every_spec
@settings(max_examples=10)
@given(steps=st.integers(1, 6), seed=st.integers(0, 1000))
def test_steps_are_the_published_ones(spec, steps, seed) -> None:
    spec, random = parsed(spec), np.random.default_rng(seed)
    weights = {"a.weight": random.standard_normal((2, 3)), "a.bias": random.standard_normal(2)}
    first = {name: array.copy() for name, array in weights.items()}
    gradients = [
        {name: random.standard_normal(array.shape) for name, array in weights.items()}
        for _ in range(steps)
    ]
    rates = random.uniform(0.01, 0.5, steps).tolist()
    optimiser = optimiser_of(spec)
    state = optimiser.init(spec, weights)
    for gradient, rate in zip(gradients, rates, strict=True):
        optimiser.update(spec, weights, gradient, state, rate, {"a.weight"})
    for name, array in first.items():
        decay = spec.weight_decay if name == "a.weight" else 0.0
        for at in np.ndindex(array.shape):
            slopes = [float(gradient[name][at]) for gradient in gradients]
            expected = published(spec, float(array[at]), slopes, rates, decay)
            assert weights[name][at] == pytest.approx(expected, rel=1e-10, abs=1e-12)


@every_spec
def test_a_step_is_in_place_and_of_the_weights_dtype(spec) -> None:
    spec, random = parsed(spec), np.random.default_rng(0)
    # Longer than a block, and not a multiple of one.
    weight = random.standard_normal((201, 203)).astype(np.float32)
    weights = {"w": weight, "running mean": np.ones(3, np.float32)}
    gradient = random.standard_normal(weight.T.shape).astype(np.float32).T
    gradient.flags.writeable = False
    optimiser = optimiser_of(spec)
    state = optimiser.init(spec, {"w": weight})
    arrays = dict(state)
    before = weight.copy()
    for _ in range(3):
        optimiser.update(spec, weights, {"w": gradient}, state, 0.01, {"w"})
    assert weights["w"] is weight
    assert weight.dtype == np.float32
    assert (weight != before).all()
    assert (weights["running mean"] == 1).all()
    assert state.keys() == arrays.keys()
    assert all(state[name] is array for name, array in arrays.items())
    assert all(array.dtype == np.float32 for name, array in state.items() if name != "step")
    assert all(name.startswith("w.") for name in state if name != "step")
    # The same as one number at a time.
    for at in ((0, 0), (161, 7), (200, 202)):
        slopes = [float(gradient[at])] * 3
        expected = published(spec, float(before[at]), slopes, [0.01] * 3, spec.weight_decay)
        assert weight[at] == pytest.approx(expected, rel=1e-4, abs=1e-6)


@every_spec
def test_the_state_is_all_that_the_next_step_depends_on(spec) -> None:
    """What a checkpoint does: copies of weights and state go on as the originals do, exactly."""
    spec, random = parsed(spec), np.random.default_rng(1)
    optimiser = optimiser_of(spec)
    weights = {"w": random.standard_normal(9).astype(np.float32)}
    state = optimiser.init(spec, weights)
    gradients = [{"w": random.standard_normal(9).astype(np.float32)} for _ in range(6)]
    for gradient in gradients[:3]:
        optimiser.update(spec, weights, gradient, state, 0.1, {"w"})
    others = {"w": weights["w"].copy()}
    restored = {
        name: np.frombuffer(bytearray(array.tobytes()), array.dtype).reshape(array.shape)
        for name, array in state.items()
    }
    for gradient in gradients[3:]:
        optimiser.update(spec, weights, gradient, state, 0.1, {"w"})
        optimiser.update(spec, others, gradient, restored, 0.1, {"w"})
    np.testing.assert_array_equal(weights["w"], others["w"])
    for name, array in state.items():
        np.testing.assert_array_equal(array, restored[name])


@every_spec
def test_a_valley_is_descended(spec) -> None:
    spec = parsed(spec)
    optimiser = optimiser_of(spec)
    weights = {"w": np.array([3.0, -2.0])}
    state = optimiser.init(spec, weights)
    rate = 1.0 if spec.optimiser == "adadelta" else 0.02
    for _ in range(400):
        gradient = {"w": weights["w"] * [1.0, 10.0]}
        optimiser.update(spec, weights, gradient, state, rate, ())
    bound = 2.5 if spec.optimiser == "adadelta" else 0.3
    assert abs(weights["w"]).max() < bound


@every_spec
def test_what_is_not_finite_stays_so_without_a_warning(spec) -> None:
    spec = parsed(spec)
    optimiser = optimiser_of(spec)
    weights = {"w": np.ones(3, np.float32)}
    state = optimiser.init(spec, weights)
    gradient = {"w": np.array([np.nan, 3e38, 1.0], np.float32)}
    for _ in range(3):
        optimiser.update(spec, weights, gradient, state, 10.0, {"w"})
    assert np.isnan(weights["w"][0])
    assert np.isfinite(weights["w"][2])


def test_a_copy_would_lose_the_step_and_is_refused() -> None:
    spec = parsed({"optimiser": "sgd"})
    weights = {"w": np.ones((3, 2)).T}
    with pytest.raises(AssertionError, match="w"):
        optimiser_of(spec).update(spec, weights, {"w": np.ones((2, 3))}, {}, 0.1, ())


def test_nesterov_without_momentum_is_refused() -> None:
    with pytest.raises(ValidationError, match="give a momentum above 0"):
        parsed({"optimiser": "sgd", "nesterov": True})
