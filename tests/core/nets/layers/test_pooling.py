"""Pools: window by window, with equal values, NaN and infinity."""

from __future__ import annotations

import itertools
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.conv import codegen
from core.errors import InvalidInput
from core.nets.layer import Context
from core.nets.layers import LAYERS
from core.nets.window import taps

BY_NAME = {layer.name: layer for layer in LAYERS}


def windows(spatial, kernel, stride, padding):
    """Yield each position with the elements of its window that are inside."""
    out = [
        (n + 2 * p - k) // s + 1
        for n, k, s, p in zip(spatial, kernel, stride, padding, strict=True)
    ]
    for at in np.ndindex(*out):
        ranges = (
            range(max(0, a * s - p), min(n, a * s - p + k))
            for a, n, k, s, p in zip(at, spatial, kernel, stride, padding, strict=True)
        )
        yield at, list(itertools.product(*ranges))


def backward(layer, spec, x, dy):
    return layer.forward(spec, [x], {}, Context())[1](dy)[0][0]


# Per axis: length, kernel, stride, padding.
an_axis = st.tuples(
    st.integers(1, 7), st.integers(1, 4), st.integers(1, 5), st.integers(0, 3)
).filter(lambda a: a[3] < a[1] <= a[0] + 2 * a[3])
some_axes = st.lists(an_axis, min_size=1, max_size=3)


@contextmanager
def generated_kernels(switch):
    """Compute with generated kernels, or without them as where llvmlite is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVQ_CODEGEN", switch)
        codegen.available.cache_clear()
        yield
    codegen.available.cache_clear()


@pytest.mark.parametrize("switch", ["on", "off"])
@settings(max_examples=60)
@given(
    axes=some_axes,
    padded=st.booleans(),
    levels=st.sampled_from([2, 100]),
    nans=st.booleans(),
    images=st.integers(1, 20),
    dtype=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 1000),
)
def test_max_pool_finds_the_first_largest_of_each_window(
    switch, axes, padded, levels, nans, images, dtype, seed
) -> None:
    spatial, kernel, stride, padding = map(list, zip(*axes, strict=True))
    if not padded:
        kernel = [min(k, n) for k, n in zip(kernel, spatial, strict=True)]
        padding = [0] * len(axes)
    layer = BY_NAME["max_pool"]
    spec = layer.spec(layer="max_pool", kernel=kernel, stride=stride, padding=padding)
    random = np.random.default_rng(seed)
    x = random.integers(0, levels, (2, *spatial, images)).astype(dtype)
    if nans:
        x[random.random(x.shape) < 0.2] = np.nan
    x.flags.writeable = False

    def value(element):
        # Whatever is larger than everything: NaN is what counts then.
        return np.inf if np.isnan(x[element]) else x[element]

    with generated_kernels(switch):
        y, gradient = layer.forward(spec, [x], {}, Context())
        # Whole numbers, so that sums are exact in any order.
        dy = random.integers(-9, 9, y.shape).astype(dtype)
        (found,), _ = gradient(dy)
    assert y.dtype == found.dtype == dtype
    dx = np.zeros(x.shape)
    for (channel, image), (at, inside) in itertools.product(
        np.ndindex(2, images), windows(spatial, kernel, stride, padding)
    ):
        # max() returns the first of equals, and the elements are in reading order.
        best = max(((channel, *element, image) for element in inside), key=value)
        np.testing.assert_equal(y[(channel, *at, image)], x[best])
        dx[best] += dy[(channel, *at, image)]
    np.testing.assert_array_equal(found, dx)


def test_generated_kernels_are_used_where_there_are_some(monkeypatch) -> None:
    if not codegen.available():
        pytest.skip("llvmlite is not installed")
    from core.conv.codegen import max_pool as generated

    calls = []
    for name in ("largest", "to_largest"):
        original = getattr(generated, name)
        monkeypatch.setattr(
            generated, name, lambda *given, f=original: calls.append(f.__name__) or f(*given)
        )
    layer = BY_NAME["max_pool"]
    x = np.zeros((2, 4, 4, 16), "float32")
    for fields in ({"kernel": 2}, {"kernel": 2, "padding": 1}, {"kernel": 4, "stride": 1}):
        y, gradient = layer.forward(layer.spec(layer="max_pool", **fields), [x], {}, Context())
        gradient(y)
    assert calls == ["largest", "to_largest"]


@settings(max_examples=60)
@given(axes=some_axes, include=st.booleans(), seed=st.integers(0, 1000))
def test_average_pool_is_the_mean_of_each_window(
    make_case, check_gradients, axes, include, seed
) -> None:
    spatial, kernel, stride, padding = map(list, zip(*axes, strict=True))
    spec = {"layer": "average_pool", "kernel": kernel, "stride": stride, "padding": padding}
    spec["count_include_pad"] = include
    case = make_case({"spec": spec, "shapes": [(2, *spatial)]}, 2, seed)
    x, y = case.inputs[0], case.forward(case.inputs, {})
    for at, inside in windows(spatial, kernel, stride, padding):
        total = sum(x[:, *element] for element in inside)
        count = np.prod(kernel) if include else len(inside)
        np.testing.assert_allclose(y[:, *at], total / count, atol=1e-12)
    check_gradients(case)


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("name", ["max_pool", "average_pool"])
def test_nan_reaches_the_windows_that_hold_it_and_no_others(make_case, name, padding) -> None:
    spec = {"layer": name, "kernel": 2, "padding": padding}
    case = make_case({"spec": spec, "shapes": [(1, 6, 6)]}, 2, 0)
    x = case.inputs[0].copy()
    x[0, 2, 3, 1] = np.nan
    y = case.forward([x], {})
    assert np.argwhere(np.isnan(y)).tolist() == [[0, (2 + padding) // 2, (3 + padding) // 2, 1]]


@pytest.mark.parametrize("padding", [0, 1])
def test_windows_of_minus_infinity_have_a_maximum_inside(padding) -> None:
    layer = BY_NAME["max_pool"]
    spec = layer.spec(layer="max_pool", kernel=2, padding=padding)
    x = np.full((1, 4, 4, 1), -np.inf)
    y = layer.forward(spec, [x], {}, None)[0]
    assert (y == -np.inf).all()
    assert backward(layer, spec, x, np.ones(y.shape)).sum() == y.size


def test_global_pools(make_case) -> None:
    for name, reduce in (("global_max_pool", np.max), ("global_average_pool", np.mean)):
        case = make_case({"spec": {"layer": name}, "shapes": [(3, 4, 5)]}, 2, 0)
        expected = reduce(case.inputs[0], axis=(1, 2))
        np.testing.assert_allclose(case.forward(case.inputs, {}), expected, atol=1e-14)


def test_global_max_pool_changes_the_first_of_equals() -> None:
    layer = BY_NAME["global_max_pool"]
    x = np.array([[1.0, 4.0], [4.0, 4.0]]).reshape(1, 2, 2, 1)
    dx = backward(layer, layer.spec(layer=layer.name), x, np.full((1, 1), 2.0))
    assert dx[0, ..., 0].tolist() == [[0, 2], [0, 0]]


@given(axis=an_axis)
def test_taps_meet_what_windows_hold(axis) -> None:
    length, kernel, stride, padding = axis
    met = {}
    for tap in taps(length, kernel, stride, padding):
        inputs = range(length)[tap.inputs]
        outputs = range(tap.outputs.start, tap.outputs.stop)
        for output, at in zip(outputs, inputs, strict=True):
            met.setdefault((output,), []).append((at,))
    assert met == dict(windows([length], [kernel], [stride], [padding]))


@pytest.mark.parametrize("name", ["max_pool", "average_pool"])
@pytest.mark.parametrize(
    ("fields", "incoming", "message"),
    [
        ({}, (16,), "inputs: needs channels"),
        ({"kernel": 5}, (1, 4, 9), r"kernel: is larger.*accepted: at most \(4, 9\)"),
        ({"kernel": [2]}, (1, 4, 9), "kernel: must be one number"),
        ({"padding": 2}, (1, 4, 9), r"padding: .*padding \(2, 2\), kernel \(2, 2\)"),
    ],
)
def test_what_does_not_fit_is_refused(name, fields, incoming, message) -> None:
    layer = BY_NAME[name]
    spec = layer.spec.model_validate({"layer": name, "kernel": 2, **fields})
    with pytest.raises(InvalidInput, match=message):
        layer.shape(spec, [incoming])


@pytest.mark.parametrize("name", ["global_max_pool", "global_average_pool"])
def test_a_global_pool_needs_something_to_pool(name) -> None:
    layer = BY_NAME[name]
    with pytest.raises(InvalidInput, match=r"inputs: needs channels.*given: \(16,\)"):
        layer.shape(layer.spec(layer=name), [(16,)])
