"""Convolution: against its definition, with every algorithm, and what it refuses."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from core.conv import ALGORITHMS, batch_last, codegen
from core.conv.batch_last import conv as convolve
from core.conv.batch_last import conv_input_gradient, conv_weight_gradient
from core.errors import AlgorithmRefused, InvalidInput
from core.nets.layers.conv import LAYER, ConvSpec


def by_definition(x, w, bias, stride, padding, dilation, groups):
    """Sum every product, one by one; ``padding`` holds zeros before and after each axis."""
    wide = np.pad(x, [(0, 0), *((p, p) for p in padding), (0, 0)])
    filters, channels, *kernel = w.shape
    out = [
        (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(wide.shape[1:-1], kernel, stride, dilation, strict=True)
    ]
    y = np.zeros((filters, *out, x.shape[-1])) + bias.reshape(-1, *(1,) * (x.ndim - 1))
    for o, c in itertools.product(range(filters), range(channels)):
        source = o // (filters // groups) * channels + c
        for i, t in itertools.product(np.ndindex(*out), np.ndindex(*kernel)):
            at = tuple(a * s + b * d for a, s, b, d in zip(i, stride, t, dilation, strict=True))
            y[(o, *i)] += w[(o, c, *t)] * wide[(source, *at)]
    return y


# Per axis: length, kernel, stride, padding, dilation.
an_axis = st.tuples(
    st.integers(1, 6), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2), st.integers(1, 2)
).filter(lambda a: a[0] + 2 * a[3] > a[4] * (a[1] - 1))


@settings(max_examples=40)
@given(
    axes=st.lists(an_axis, min_size=1, max_size=3),
    groups=st.integers(1, 2),
    per_group=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    images=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_outputs_and_gradients_are_those_of_the_definition(
    make_case, check_gradients, axes, groups, per_group, images, seed
) -> None:
    spatial, kernel, stride, padding, dilation = (list(field) for field in zip(*axes, strict=True))
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    spec = {"layer": "conv", "filters": groups * per_group[1], "kernel": kernel, **options}
    case = make_case({"spec": spec, "shapes": [(groups * per_group[0], *spatial)]}, images, seed)
    expected = by_definition(
        case.inputs[0], case.weights["weight"], case.weights["bias"], **options
    )
    np.testing.assert_allclose(case.forward(case.inputs, case.weights), expected, atol=1e-10)
    assert LAYER.multiply_adds(case.spec, case.shapes) == (
        expected[..., 0].size * case.weights["weight"][0].size
    )
    check_gradients(case)


# cuDNN is for GPUs.
NAMES = [algorithm.name for algorithm in ALGORITHMS if algorithm.name != "cudnn"]
PROBLEMS = [
    {"x": (2, 8, 7, 3), "w": (4, 2, 3, 3), "padding": 1, "groups": 1},
    {"x": (4, 9, 8, 2), "w": (4, 1, 3, 2), "padding": 0, "groups": 4},
    {"x": (4, 12, 2), "w": (2, 2, 5), "padding": 2, "groups": 2},
    {"x": (2, 5, 5, 3), "w": (2, 2, 3, 3), "padding": 0, "groups": 1},
    {"x": (2, 13, 13, 3), "w": (2, 2, 9, 9), "padding": 4, "groups": 1},
]


def each_map(problem, method):
    """Yield, for a convolution and its two gradients, what is found and what it must be.

    If ``f`` is linear, then ``g`` is its gradient if ``<g, v> = <dy, f(v)>`` for every ``v``.
    """
    random = np.random.default_rng(5)
    options = {"padding": problem["padding"], "groups": problem["groups"]}
    x, v = random.standard_normal((2, *problem["x"]))
    w, u = random.standard_normal((2, *problem["w"]))
    y = convolve(x, w, **options)
    dy = random.standard_normal(y.shape)
    options["method"] = method

    def by_input():
        return (v * conv_input_gradient(dy, w, x.shape[1:-1], **options)).sum()

    def by_weight():
        return (u * conv_weight_gradient(x, dy, w.shape[2:], **options)).sum()

    options_of_auto = options | {"method": "auto"}
    yield lambda: convolve(x, w, **options), y
    yield by_input, (dy * convolve(v, w, **options_of_auto)).sum()
    yield by_weight, (dy * convolve(x, u, **options_of_auto)).sum()


@pytest.mark.parametrize("method", [*batch_last.METHODS, *NAMES])
def test_every_algorithm_computes_the_same_map_and_its_gradients(method) -> None:
    if method in batch_last.METHODS and not codegen.available():
        pytest.skip("llvmlite is not installed")
    solved = 0
    for problem in PROBLEMS:
        for compute, expected in each_map(problem, method):
            try:
                found = compute()
            except AlgorithmRefused:
                continue
            solved += 1
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    # One problem has separate channels, and kernels of gradients no known rank; two are 3 by 3,
    # and one of those has a gradient whose kernel is so too.
    least = {"separable": 1, "winograd": 5, batch_last.TRANSFORMS: 4}
    assert solved >= least.get(method, 3 * len(PROBLEMS))


def refusal(spec, shape):
    try:
        LAYER.shape(spec, [shape])
    except InvalidInput as error:
        return error
    return None


@pytest.mark.parametrize("method", ["auto", *NAMES])
def test_the_method_of_a_layer_is_used_or_refused_at_once(
    make_case, check_gradients, method
) -> None:
    refusals = []
    for problem in PROBLEMS:
        fields = {"filters": problem["w"][0], "kernel": list(problem["w"][2:]), "method": method}
        fields |= {"padding": problem["padding"], "groups": problem["groups"]}
        example = {"spec": {"layer": "conv", **fields}, "shapes": [problem["x"][:-1]]}
        case = make_case(example, 2, 7)
        error = refusal(case.spec, case.shapes[0])
        refusals.append(error)
        if error is None:
            check_gradients(case)
    given = [error for error in refusals if error]
    assert len(given) < len(PROBLEMS)
    assert all(e.field == "method" and method not in e.accepted for e in given)
    assert bool(given) == (method in ("separable", "winograd"))


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("length", [5, 6, 7])
def test_same_keeps_the_size_divided_by_the_stride(length, stride) -> None:
    spec = ConvSpec(layer="conv", filters=2, kernel=[3, 5], padding="same", stride=stride)
    expected = -(-length // stride)
    assert LAYER.shape(spec, [(1, length, length)]) == (2, expected, expected)


def test_parameters_of_the_first_layer_of_lenet() -> None:
    spec = ConvSpec(layer="conv", filters=6, kernel=5)
    found = LAYER.parameters(spec, [(1, 32, 32)])
    assert {name: p.shape for name, p in found.items()} == {"weight": (6, 1, 5, 5), "bias": (6,)}
    assert (found["weight"].fan_in, found["weight"].decays, found["bias"].decays) == (
        25,
        True,
        False,
    )
    assert LAYER.shape(spec, [(1, 32, 32)]) == (6, 28, 28)
    assert LAYER.multiply_adds(spec, [(1, 32, 32)]) == 28 * 28 * 6 * 25


@pytest.mark.parametrize(
    ("fields", "incoming", "message"),
    [
        ({}, (16,), r"inputs: needs channels and one.*given: \(16,\); accepted: \(channels,"),
        ({}, (1, 2, 3, 4, 5), "inputs: needs channels"),
        ({"kernel": [3, 3]}, (1, 9), r"kernel: .*given: \(3, 3\); accepted: 1 numbers"),
        ({"stride": [1]}, (1, 9, 9), "stride: must be one number"),
        ({"kernel": 7}, (1, 5, 9), r"kernel: is larger.*spatial shape \(5, 9\).*at most \(5, 9\)"),
        ({"dilation": 3}, (1, 6), r"kernel: .*dilation \(3,\)"),
        ({"groups": 2}, (3, 9), "groups: .*channels 3, filters 4.*divisors of 1"),
        ({"groups": 3}, (3, 9), "groups: .*divisors of 1"),
        ({"kernel": 2, "padding": "same"}, (1, 9), "padding: .*same for odd kernels"),
        ({"method": "winograd"}, (1, 9), r"method: refuses: only kernels of 3 by 3.*direct"),
    ],
)
def test_what_does_not_fit_is_refused(fields, incoming, message) -> None:
    spec = ConvSpec.model_validate({"layer": "conv", "filters": 4, "kernel": 3, **fields})
    with pytest.raises(InvalidInput, match=message):
        LAYER.shape(spec, [incoming])


@pytest.mark.parametrize(
    "fields",
    [
        {"filters": 0}, {"kernel": 0}, {"kernel": []}, {"kernel": [3, 3, 3, 3]}, {"stride": 0},
        {"padding": -1}, {"padding": "valid"}, {"dilation": 0}, {"groups": 0}, {"kernel": 2.5},
        {"method": "fastest"}, {"strides": 2},
    ],
)  # fmt: skip
def test_what_makes_no_sense_anywhere_is_refused(fields) -> None:
    with pytest.raises(ValidationError):
        ConvSpec.model_validate({"layer": "conv", "filters": 4, "kernel": 3, **fields})
