"""A step by programs is the step of the layers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from core.conv.codegen.batch_last_layer import lanes
from core.errors import InvalidInput
from core.nets import network as networks
from core.nets.architectures import ARCHITECTURES
from core.nets.layers import LAYERS
from core.nets.losses.mse import MseSpec
from core.nets.network import Network, StepResult
from core.nets.program.program import Program
from core.nets.program.units import units_of
from core.nets.spec import NetSpec

LOSS = MseSpec(loss="mse")
BY_NAME = {layer.name: layer for layer in LAYERS}
KINDS = ["conv", "conv", "relu", "relu", "batch_norm", "max_pool", "add", "dropout", "tanh"]
SMALL = st.integers(1, 3)
OPTIONS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "conv": st.fixed_dictionaries(
        {
            "filters": st.sampled_from([1, 4, 8, 16]),
            "kernel": st.integers(1, 5),
            "stride": st.integers(1, 2),
            "padding": st.integers(0, 2),
            "dilation": st.integers(1, 2),
            "groups": st.integers(1, 2),
            "bias": st.booleans(),
        }
    ),
    "max_pool": st.fixed_dictionaries(
        {"kernel": SMALL, "stride": SMALL, "padding": st.integers(0, 1)}
    ),
    "dropout": st.just({"rate": 0.3}),
}


def net(shape: list[int], layers: list[dict[str, Any]]) -> Network:
    return Network(NetSpec.model_validate({"input": shape, "layers": layers}))


@st.composite
def nets(draw: st.DrawFn) -> Network:
    """Return a net of layers with programs and some without, which read any earlier ones."""
    shapes = {"input": (draw(SMALL), draw(st.integers(4, 9)), draw(st.integers(4, 9)))}
    layers = [{"layer": "standardize", "name": "input-1", "mean": 0.5, "std": 2.0}]
    shapes["input-1"] = shapes["input"]
    for number in range(draw(st.integers(1, 7))):
        # Mostly one after the other.
        last = list(shapes)[-1]
        first = draw(st.sampled_from([last, last, last, *shapes]))
        kind = draw(st.sampled_from(KINDS))
        layer = {"layer": kind, "name": f"l{number}", "inputs": [first]}
        if kind == "add":
            like = [name for name, shape in shapes.items() if shape == shapes[first]]
            layer["inputs"] = [first, draw(st.sampled_from(like))]
        layer |= draw(OPTIONS.get(kind, st.just({})))
        incoming = [shapes[name] for name in layer["inputs"]]
        try:
            shape = BY_NAME[kind].shape(BY_NAME[kind].spec.model_validate(layer), incoming)
        except InvalidInput:
            continue
        layers.append(layer)
        shapes[f"l{number}"] = shape
    used = {name for layer in layers for name in layer.get("inputs", ())}
    ends = []
    for name in [layer["name"] for layer in layers if layer["name"] not in used]:
        vector = draw(st.sampled_from(["flatten", "global_average_pool"]))
        layers += [
            {"layer": vector, "name": f"{name}-v", "inputs": [name]},
            {"layer": "dense", "features": 3, "bias": draw(st.booleans())},
        ]
        layers += draw(st.sampled_from([[], [{"layer": "relu"}]]))
        layers[-1] |= {"name": f"{name}-end"}
        ends.append(f"{name}-end")
    if len(ends) > 1:
        layers.append({"layer": "concatenate", "inputs": ends})
    return net(list(shapes["input"]), layers)


def batch(network: Network, images: int, dtype: str, seed: int) -> tuple:
    random = np.random.default_rng(seed)
    weights = {name: array.astype(dtype) for name, array in network.init(seed).items()}
    for name in weights:
        if name.endswith("bias"):
            weights[name] += random.normal(size=weights[name].shape).astype(dtype) / 2
    x = random.normal(size=(images, *network.input_shape)).astype(dtype)
    return weights, x, random.normal(size=(images, *network.output_shape)).astype(dtype)


@contextmanager
def without_programs() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "suit", lambda x, dtype: False)
        yield


def step(network: Network, data: tuple, seed: int = 0) -> StepResult:
    weights, x, y = data
    return network.step(weights, x, y, LOSS, seed=(seed,))


def programs(network: Network) -> list[Program]:
    return [one for found in network._programs._found.values() for one in found.values()]


def assert_same(found: StepResult, expected: StepResult, tolerance: float) -> None:
    def close(a: Any, b: Any, name: str) -> None:
        scale = float(np.abs(b).max(initial=1.0))
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * scale, err_msg=name)

    close(found.loss, expected.loss, "loss")
    close(found.outputs, expected.outputs, "outputs")
    assert found.gradients.keys() == expected.gradients.keys()
    assert found.updates.keys() == expected.updates.keys()
    for name, gradient in expected.gradients.items():
        assert found.gradients[name].dtype == gradient.dtype
        close(found.gradients[name], gradient, name)
    for name, update in expected.updates.items():
        close(found.updates[name], update, name)


def without_dropout(network: Network) -> Network:
    # Groups of images draw numbers of their own, and programs have other groups.
    layers = [
        {"layer": "identity", "name": one.name, "inputs": one.inputs}
        if one.layer == "dropout"
        else one.model_dump()
        for one in network.spec.layers
    ]
    return net(list(network.input_shape), layers)


@settings(max_examples=60)
@given(
    network=nets().map(without_dropout),
    vectors=st.integers(1, 4),
    dtype=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 99),
)
def test_a_step_is_that_of_the_layers(network, vectors, dtype, seed) -> None:
    data = batch(network, vectors * lanes(dtype), dtype, seed)
    found = [step(network, data) for _ in range(2)]
    assert programs(network)
    with without_programs():
        expected = step(network, data)
    for one in found:
        assert_same(one, expected, 1e-10 if dtype == "float64" else 2e-3)


@settings(max_examples=20)
@given(network=nets(), vectors=st.integers(1, 3), seed=st.integers(0, 99))
def test_gradients_are_those_of_finite_differences(network, vectors, seed) -> None:
    weights, x, y = batch(network, vectors * lanes("float64"), "float64", seed)
    random = np.random.default_rng(seed)
    direction = {n: random.normal(size=p.shape) for n, p in network.parameters.items()}
    found = step(network, (weights, x, y)).gradients

    def loss(length: float) -> float:
        moved = {n: w + length * direction[n] if n in direction else w for n, w in weights.items()}
        return step(network, (moved, x, y)).loss

    # Kinks of rectifiers may lie between: the two sides need not agree to the last digit.
    expected = (loss(1e-6) - loss(-1e-6)) / 2e-6
    along = sum(float((found[n] * d).sum()) for n, d in direction.items())
    assert along == pytest.approx(expected, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("name", ["lenet5", "small-cnn", "pilotnet", "resnet-small"])
def test_a_whole_net_is_one_program(name) -> None:
    architecture = next(one for one in ARCHITECTURES if one.name == name)
    spec = architecture.spec.model_validate({"architecture": name})
    network = Network(architecture.build(spec, architecture.input, architecture.outputs))
    (segment,) = network._segments(None, training=True, programs=True)
    assert segment.program
    assert segment.nodes == network.nodes


def test_layers_share_a_kernel_where_nobody_else_reads_what_is_between() -> None:
    layers = [
        {"layer": "conv", "filters": 4, "kernel": 3},
        {"layer": "relu"},
        {"layer": "conv", "filters": 4, "kernel": 3},
        {"layer": "relu", "name": "read-twice"},
        {"layer": "max_pool", "kernel": 2},
        {"layer": "batch_norm"},
        {"layer": "relu"},
        {"layer": "flatten", "name": "one"},
        {"layer": "flatten", "name": "other", "inputs": ["read-twice"]},
        {"layer": "concatenate", "inputs": ["one", "other"]},
    ]
    network = net([1, 8, 8], layers)
    first = network._segments(None, training=True, programs=True)[0]
    units = units_of(first.nodes, first.leaves, [lanes("float32")], "float32")
    assert [[node.layer.name for node in unit.nodes] for unit in units] == [
        ["conv", "relu"],
        ["conv", "relu"],
        ["max_pool"],
        ["batch_norm", "relu"],
        ["flatten"],
        ["flatten"],
    ]
    chain = net([1, 8, 8], [*layers[:5], layers[7]])
    (only,) = chain._segments(None, training=True, programs=True)
    units = units_of(only.nodes, only.leaves, [lanes("float32")], "float32")
    assert [len(unit.nodes) for unit in units] == [2, 1, 2, 1]


RESIDUAL = [
    {"layer": "conv", "filters": 16, "kernel": 3, "padding": 1, "bias": False},
    {"layer": "batch_norm"},
    {"layer": "relu", "name": "start"},
    {"layer": "conv", "filters": 16, "kernel": 3, "padding": 1},
    {"layer": "batch_norm", "name": "inner"},
    {"layer": "add", "inputs": ["inner", "start"]},
    {"layer": "relu"},
    {"layer": "max_pool", "kernel": 2},
    {"layer": "flatten"},
    {"layer": "dropout", "rate": 0.5},
    {"layer": "dense", "features": 4},
]


def test_the_number_of_cores_makes_no_difference(monkeypatch) -> None:
    found = []
    for cores in (1, 2, 3, 8):
        monkeypatch.setattr("core.nets.program.program.cores", lambda cores=cores: cores)
        network = net([2, 9, 9], RESIDUAL)
        data = batch(network, 9 * lanes("float32"), "float32", 1)
        found += [step(network, data, seed=5) for _ in range(2)]
        (program,) = programs(network)
        assert len(program._scratch) == min(cores, len(program._groups)) > 0
        assert len(program._groups) > 2
    for one in found:
        assert one.loss == found[0].loss
        np.testing.assert_array_equal(one.outputs, found[0].outputs)
        for name, gradient in found[0].gradients.items():
            np.testing.assert_array_equal(one.gradients[name], gradient)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize(
    "where", ["x", "conv1.weight", "conv2.weight", "conv2.bias", "dense1.bias"]
)
def test_what_is_not_finite_is_left_to_the_layers(where, bad) -> None:
    network = net([2, 9, 9], [one for one in RESIDUAL if one["layer"] != "dropout"])
    weights, x, y = batch(network, lanes("float32"), "float32", 0)
    (x if where == "x" else weights[where]).flat[3] = bad
    found = step(network, (weights, x, y))
    with without_programs():
        expected = step(network, (weights, x, y))
    np.testing.assert_array_equal(found.loss, expected.loss)
    np.testing.assert_array_equal(found.outputs, expected.outputs)
    for name, gradient in expected.gradients.items():
        np.testing.assert_array_equal(found.gradients[name], gradient)


def test_dropout_differs_by_seed_and_group() -> None:
    layers = [{"layer": "dropout"}, {"layer": "dense", "features": 50}]
    network, count = net([50], layers), 4 * lanes("float32")
    weights = {"dense1.weight": np.eye(50, dtype="f4"), "dense1.bias": np.zeros(50, "f4")}
    data = weights, np.ones((count, 50), "f4"), np.zeros((count, 50), "f4")
    one = step(network, data).outputs
    assert programs(network)
    np.testing.assert_array_equal(one, step(network, data).outputs)
    assert not np.array_equal(one, step(network, data, seed=1).outputs)
    assert set(np.unique(one)) == {0, 2}
    groups = one.reshape(4, -1, 50)
    assert not any(np.array_equal(groups[0], other) for other in groups[1:])


def test_what_a_step_returns_is_not_written_to_by_the_next() -> None:
    network = net([2, 9, 9], RESIDUAL[:3])
    y = np.zeros((lanes("float32"), 16, 9, 9), "f4")
    weights, x, _ = batch(network, len(y), "float32", 0)
    first = step(network, (weights, x, y))
    kept = first.outputs.copy(), {name: a.copy() for name, a in first.gradients.items()}
    step(network, (weights, 2 * x + 1, y))
    np.testing.assert_array_equal(first.outputs, kept[0])
    for name, gradient in kept[1].items():
        np.testing.assert_array_equal(first.gradients[name], gradient)


def test_batches_of_several_sizes_take_turns() -> None:
    network, count = net([2, 9, 9], RESIDUAL), lanes("float32")
    for images in (count, 2 * count, count + 1, 3 * count, count, 1, 2 * count):
        data = batch(network, max(images, 2), "float32", images)
        with without_programs():
            expected = step(network, data)
        found = step(network, data)
        assert found.gradients.keys() == expected.gradients.keys()
        assert found.outputs.shape == expected.outputs.shape
        assert len(programs(network)) <= 2


def test_threads_that_train_one_net_wait_for_each_other() -> None:
    network = net([2, 9, 9], RESIDUAL)
    data = [batch(network, 2 * lanes("float32"), "float32", seed) for seed in range(4)]
    expected = [step(network, one) for one in data]
    found: dict[tuple[int, int], StepResult] = {}

    def train(number: int) -> None:
        for turn in range(5):
            found[number, turn] = step(network, data[number])

    threads = [threading.Thread(target=train, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20
    for (number, _), one in found.items():
        for name, gradient in expected[number].gradients.items():
            np.testing.assert_array_equal(one.gradients[name], gradient)
