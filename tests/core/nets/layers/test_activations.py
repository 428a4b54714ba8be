"""Activations against formulas, from minus infinity to infinity, without a warning."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import special

from core.nets.layer import Context
from core.nets.layers import LAYERS

BY_NAME = {layer.name: layer for layer in LAYERS}


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


# For one number: the value and the slope.
FORMULAS = [
    ("relu", {}, lambda x: (max(x, 0.0), float(x > 0))),
    ("leaky_relu", {}, lambda x: (x, 1.0) if x > 0 else (0.01 * x, 0.01)),
    ("leaky_relu", {"slope": 0.25}, lambda x: (x, 1.0) if x > 0 else (0.25 * x, 0.25)),
    ("elu", {}, lambda x: (x, 1.0) if x > 0 else (math.expm1(x), math.exp(x))),
    ("elu", {"alpha": 3.0}, lambda x: (x, 1.0) if x > 0 else (3 * math.expm1(x), 3 * math.exp(x))),
    ("tanh", {}, lambda x: (math.tanh(x), 1 - math.tanh(x) ** 2)),
    ("sigmoid", {}, lambda x: (logistic(x), logistic(x) * (1 - logistic(x)))),
    (
        "gelu",
        {},
        lambda x: (
            x * math.erfc(-x / math.sqrt(2)) / 2,
            math.erfc(-x / math.sqrt(2)) / 2
            + x * math.exp(-x * x / 2) / math.sqrt(2 * math.pi),
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "fields", "formula"), FORMULAS)
def test_values_and_slopes(name, fields, formula, dtype) -> None:
    numbers = [-1e4, -200.0, -20.0, -3.0, -1.5, -0.25, 0.0, 1e-3, 0.5, 2.0, 20.0, 200.0, 1e4]
    x = np.array(numbers, dtype).reshape(-1, 1)
    layer = BY_NAME[name]
    spec = layer.spec.model_validate({"layer": name, **fields})
    y, backward = layer.forward(spec, [x], {}, Context())
    (slopes,), _ = backward(np.ones_like(x))
    expected = np.array([formula(float(number)) for number in x[:, 0]])
    precision = 1e-6 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(y[:, 0], expected[:, 0], rtol=precision, atol=precision)
    np.testing.assert_allclose(slopes[:, 0], expected[:, 1], rtol=precision, atol=precision)


@pytest.mark.parametrize(
    ("name", "at_minus_infinity", "at_infinity"),
    [
        ("relu", 0, np.inf), ("leaky_relu", -np.inf, np.inf), ("elu", -1, np.inf),
        ("tanh", -1, 1), ("sigmoid", 0, 1),
    ],
)  # fmt: skip
def test_limits_and_nan(name, at_minus_infinity, at_infinity) -> None:
    layer = BY_NAME[name]
    x = np.array([[-np.inf], [np.inf], [np.nan]], "float32")
    y, _ = layer.forward(layer.spec(layer=name), [x], {}, Context())
    assert y[:2, 0].tolist() == [at_minus_infinity, at_infinity]
    assert np.isnan(y[2, 0])


def test_the_tails_of_sigmoid_and_gelu_are_not_lost() -> None:
    x = np.array([[-80.0]], "float32")
    sigmoid, gelu = BY_NAME["sigmoid"], BY_NAME["gelu"]
    found = sigmoid.forward(sigmoid.spec(layer="sigmoid"), [x], {}, Context())[0]
    np.testing.assert_allclose(found, np.exp(x), rtol=1e-5)
    x = np.array([[-12.0]], "float32")
    found = gelu.forward(gelu.spec(layer="gelu"), [x], {}, Context())[0]
    np.testing.assert_allclose(found, x * special.ndtr(-12.0), rtol=1e-5)


@given(
    x=arrays.arrays(
        "float32",
        arrays.array_shapes(min_dims=2, max_dims=4),
        elements=st.floats(-1000, 1000, width=32),
    )
)
def test_softmax_is_scipys_over_the_first_axis(x) -> None:
    layer = BY_NAME["softmax"]
    y, _ = layer.forward(layer.spec(layer="softmax"), [x], {}, Context())
    np.testing.assert_allclose(y, special.softmax(x, axis=0), rtol=1e-5, atol=1e-30)
    np.testing.assert_allclose(y.sum(axis=0), 1, rtol=1e-5)
