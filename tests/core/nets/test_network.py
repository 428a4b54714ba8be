"""A net in groups of images on many cores computes what it computes all at once."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.nets import segments
from core.nets.graph import INPUT
from core.nets.layer import Context
from core.nets.losses import loss_of
from core.nets.losses.cross_entropy import CrossEntropySpec
from core.nets.losses.mse import MseSpec
from core.nets.network import Network
from core.nets.spec import NetSpec

CROSS_ENTROPY = CrossEntropySpec(loss="cross_entropy")
SIDE = 5
CHAIN = [
    {"layer": "conv", "filters": 3, "kernel": 3},
    {"layer": "relu"},
    {"layer": "max_pool", "kernel": 2},
    {"layer": "flatten"},
    {"layer": "dense", "features": 4},
]


@pytest.fixture(autouse=True, scope="module")
def _small_nets_are_cut_into_groups() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "_WORTH_GROUPS", 0)
        patch.setattr(segments, "_LEAST_NUMBERS", 0)
        assert (
            len(segments.groups_of(segments.cut(net([1, 8, 8], CHAIN).nodes, 4, training=True), 70))
            == 5
        )
        yield


def net(shape: list[int], layers: list[dict[str, Any]]) -> Network:
    return Network(NetSpec.model_validate({"input": shape, "layers": layers}))


@st.composite
def nets(draw: st.DrawFn) -> Network:
    """Return a net whose layers read any earlier ones; all maps are of SIDE x SIDE."""
    channels = {"input": 2}
    unread: list[str] = []
    layers: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 7))):
        kind = draw(st.sampled_from(["conv", "tanh", "batch_norm", "add", "concatenate"]))
        first = draw(st.sampled_from(list(channels)))
        inputs = [first]
        if kind in ("add", "concatenate"):
            like = [n for n in channels if kind == "concatenate" or channels[n] == channels[first]]
            inputs += draw(st.lists(st.sampled_from(like), min_size=1, max_size=2))
        name = f"l{number}"
        options = {"filters": 3, "kernel": 3, "padding": 1} if kind == "conv" else {}
        layers.append({"layer": kind, "name": name, "inputs": inputs, **options})
        out = {"conv": 3, "concatenate": sum(channels[n] for n in inputs)}
        channels[name] = out.get(kind, channels[first])
        unread = [n for n in unread if n not in inputs] + [name]
    layers += [
        {"layer": "concatenate", "inputs": [*unread, "input"]},
        {"layer": "flatten"},
        {"layer": "dense", "features": 3},
    ]
    return net([2, SIDE, SIDE], layers)


def slow_step(network: Network, weights: dict, x: np.ndarray, y: np.ndarray, loss: Any) -> tuple:
    """Return loss, outputs, gradients and updates: every layer once, on the whole batch."""
    values = {INPUT: np.moveaxis(x, 0, -1)}
    backs, updates = {}, {}
    for node in network.nodes:
        own = {n: weights[f"{node.name}.{n}"] for n in (*node.parameters, *node.state)}
        context = Context(training=True, state=own)
        values[node.index], backs[node.index] = node.layer.forward(
            node.spec, [values[source] for source in node.sources], own, context
        )
        updates |= {f"{node.name}.{n}": array for n, array in context.updates.items()}
    last = len(network.nodes) - 1
    value, dy = loss_of(loss).value(loss, values[last], y)
    arriving = {index: np.zeros_like(array) for index, array in values.items()}
    arriving[last] = dy
    gradients = {}
    for node in reversed(network.nodes):
        incoming, own = backs[node.index](arriving[node.index])
        gradients |= {f"{node.name}.{n}": array for n, array in own.items()}
        for source, gradient in zip(node.sources, incoming, strict=True):
            arriving[source] = arriving[source] + gradient
    return value, np.moveaxis(values[last], -1, 0), gradients, updates


def float64(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: array.astype(np.float64) for name, array in weights.items()}


def images(count: int, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, *shape))


def labels(count: int, classes: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, classes, count)


@settings(max_examples=40)
@given(network=nets(), count=st.integers(2, 70), seed=st.integers(0, 99))
def test_a_step_in_groups_is_a_step_all_at_once(network, count, seed) -> None:
    weights = float64(network.init(seed))
    x, y = images(count, network.input_shape, seed), labels(count, 3, seed)
    loss, outputs, gradients, updates = slow_step(network, weights, x, y, CROSS_ENTROPY)

    step = network.step(weights, x, y, CROSS_ENTROPY, seed=(seed,))
    assert step.loss == pytest.approx(loss, rel=1e-9)
    np.testing.assert_allclose(step.outputs, outputs, rtol=1e-9, atol=1e-9)
    assert step.gradients.keys() == network.parameters.keys()
    assert step.updates.keys() == network.state.keys() == updates.keys()
    for name in gradients:
        np.testing.assert_allclose(step.gradients[name], gradients[name], rtol=1e-7, atol=1e-9)
    for name in updates:
        np.testing.assert_allclose(step.updates[name], updates[name], rtol=1e-9, atol=1e-12)


@settings(max_examples=15)
@given(network=nets(), count=st.integers(2, 40), seed=st.integers(0, 99))
def test_gradients_are_those_of_finite_differences(network, count, seed) -> None:
    weights = float64(network.init(seed))
    x, y = images(count, network.input_shape, seed), labels(count, 3, seed)
    random = np.random.default_rng(seed)

    def loss(step: float) -> float:
        moved = {n: w + step * direction[n] if n in direction else w for n, w in weights.items()}
        return network.step(moved, x, y, CROSS_ENTROPY, seed=(0,)).loss

    direction = {n: random.standard_normal(p.shape) for n, p in network.parameters.items()}
    found = network.step(weights, x, y, CROSS_ENTROPY, seed=(0,)).gradients
    expected = (loss(1e-5) - loss(-1e-5)) / 2e-5
    along = sum(float((found[n] * d).sum()) for n, d in direction.items())
    assert along == pytest.approx(expected, rel=1e-4, abs=1e-5)


@settings(max_examples=20)
@given(network=nets(), count=st.integers(1, 40), batch=st.integers(1, 50), data=st.data())
def test_a_run_does_not_depend_on_the_batch_and_gives_every_layer(
    network, count, batch, data
) -> None:
    weights = float64(network.init(1))
    x = images(count, network.input_shape)
    name = data.draw(st.sampled_from([node.name for node in network.nodes]))
    found = network.run(weights, x, output=name, batch=batch)
    assert found.shape == (count, *network.shapes[name])
    one_by_one = [network.run(weights, x[i : i + 1], output=name) for i in range(count)]
    np.testing.assert_allclose(found, np.concatenate(one_by_one), rtol=1e-9, atol=1e-9)


def test_outputs_and_gradients_are_in_the_dtype_of_the_weights() -> None:
    network = net([1, 8, 8], CHAIN)
    x = np.arange(20 * 64, dtype=np.uint8).reshape(20, 1, 8, 8)
    weights = network.init(0)
    assert {array.dtype for array in weights.values()} == {np.dtype(np.float32)}
    assert network.run(weights, x).dtype == np.float32
    step = network.step(weights, x, labels(20, 4), CROSS_ENTROPY, seed=(0,))
    assert {array.dtype for array in step.gradients.values()} == {np.dtype(np.float32)}
    np.testing.assert_allclose(network.run(weights, x), network.run(weights, x / 1.0), rtol=1e-6)


def test_weights_start_the_same_for_the_same_seed_and_as_wide_as_stated() -> None:
    network = net([40], [{"layer": "dense", "features": 2000}])
    one, same, other = network.init(3), network.init(3), network.init(4)
    assert np.array_equal(one["dense1.weight"], same["dense1.weight"])
    assert not np.array_equal(one["dense1.weight"], other["dense1.weight"])
    assert one["dense1.weight"].std() == pytest.approx(math.sqrt(2 / 40), rel=0.02)
    assert not one["dense1.bias"].any()


def test_the_same_step_has_the_same_bits_on_any_number_of_cores(monkeypatch) -> None:
    network = net(
        [2, 9, 9], [*CHAIN[:3], {"layer": "batch_norm"}, {"layer": "dropout"}, *CHAIN[3:]]
    )
    weights, x = network.init(0), images(150, (2, 9, 9)).astype(np.float32)
    steps = []
    for cores in (1, 2, 3, 8):
        monkeypatch.setattr("core.nets.execute.cores", lambda cores=cores: cores)
        steps += [
            network.step(weights, x, labels(150, 4), CROSS_ENTROPY, seed=(5, 6)) for _ in range(3)
        ]
    first = steps[0]
    assert all(step.loss == first.loss for step in steps)
    for name, gradient in first.gradients.items():
        assert all(np.array_equal(step.gradients[name], gradient) for step in steps), name


_PROCESS = """
import hashlib, os, numpy as np
os.sched_setaffinity(0, list(os.sched_getaffinity(0))[: int(os.environ["CORES"])])
from core.nets.architectures import lenet5
from core.nets.losses.cross_entropy import CrossEntropySpec
from core.nets.network import Network
network = Network(lenet5.build(lenet5.LeNet5Spec(architecture="lenet5"), (1, 28, 28), 10))
random = np.random.default_rng(0)
x, y = random.standard_normal((100, 1, 28, 28), np.float32), random.integers(0, 10, 100)
loss = CrossEntropySpec(loss="cross_entropy")
step = network.step(network.init(0), x, y, loss, seed=(0,))
print(hashlib.sha256(b"".join(step.gradients[n].tobytes() for n in network.parameters)).hexdigest())
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system cannot bind processes")
def test_a_process_with_one_core_finds_the_same_bits_as_one_with_more() -> None:
    paths = {"PYTHONPATH": os.pathsep.join(sys.path)}
    found = {
        subprocess.run(
            [sys.executable, "-c", _PROCESS],
            env=os.environ | paths | {"CORES": cores},
            capture_output=True,
            check=True,
        ).stdout
        for cores in ("1", "2")
    }
    assert len(found) == 1


def test_dropout_differs_by_seed_layer_and_group() -> None:
    layers = [{"layer": "dropout"}, {"layer": "dropout"}, {"layer": "dense", "features": 50}]
    network = net([50], layers)
    weights = {"dense1.weight": np.eye(50), "dense1.bias": np.zeros(50)}
    x, y = np.ones((64, 50)), np.zeros((64, 50))

    def outputs(*seed: int) -> np.ndarray:
        return network.step(weights, x, y, MseSpec(loss="mse"), seed=seed).outputs

    one = outputs(1, 2)
    assert np.array_equal(one, outputs(1, 2))
    assert not np.array_equal(one, outputs(1, 3))
    # With the same mask in both layers half of the outputs would be left, not a quarter.
    assert 0.2 < (one > 0).mean() < 0.3
    groups = one.reshape(4, 16, 50)
    assert not any(np.array_equal(groups[0], other) for other in groups[1:])


def test_a_loss_that_overflows_is_shown() -> None:
    network = net([3], [{"layer": "dense", "features": 2}])
    weights = {"dense1.weight": np.full((2, 3), 1e30, np.float32), "dense1.bias": np.zeros(2, "f4")}
    x = np.full((20, 3), 1e30, np.float32)
    step = network.step(weights, x, np.zeros((20, 2)), MseSpec(loss="mse"), seed=(0,))
    assert not math.isfinite(step.loss)


def test_a_run_asks_whether_to_stop() -> None:
    network = net([1, 8, 8], CHAIN)
    asked = []

    class Stop(Exception):
        pass

    def check() -> None:
        asked.append(None)
        if len(asked) > 3:
            raise Stop

    with pytest.raises(Stop):
        network.run(network.init(0), images(500, (1, 8, 8)), batch=32, check=check)
    assert len(asked) == 4


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda w, x: (w, x[0]), "x"),
        (lambda w, x: (w, x[:0]), "x"),
        (lambda w, x: (w, x[:, :, :7]), "x"),
        (lambda w, x: ({n: a for n, a in w.items() if n != "conv1.bias"}, x), "weights.conv1.bias"),
        (lambda w, x: (w | {"conv1.bias": np.zeros(4)}, x), "weights.conv1.bias"),
    ],
)
def test_what_does_not_fit_the_net_is_refused(change, field) -> None:
    network = net([1, 8, 8], CHAIN)
    weights, x = change(network.init(0), images(20, (1, 8, 8)))
    with pytest.raises(InvalidInput) as caught:
        network.run(weights, x)
    assert caught.value.field == field
    with pytest.raises(InvalidInput):
        network.step(weights, x, labels(20, 4), CROSS_ENTROPY, seed=(0,))


def test_an_unknown_layer_has_no_output() -> None:
    network = net([1, 8, 8], CHAIN)
    with pytest.raises(InvalidInput, match="relu1"):
        network.run(network.init(0), images(2, (1, 8, 8)), output="relu2")


def test_words_are_integers() -> None:
    layers = [
        {"layer": "embedding", "vocabulary": 9, "features": 2},
        {"layer": "flatten"},
        {"layer": "dense", "features": 2},
    ]
    network = net([4], layers)
    weights, words = network.init(0), np.arange(36).reshape(9, 4) % 9
    step = network.step(weights, words, labels(9, 2), CROSS_ENTROPY, seed=(0,))
    assert step.gradients["embedding1.weight"].any()
    with pytest.raises(InvalidInput, match="numbers"):
        network.run(weights, words.astype(np.float32))
