"""What a box computes, held to what the net computes: random nets, NumPy and machine code."""

from __future__ import annotations

import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.edge.bundle import build
from core.edge.plan import plan
from core.edge.profiles import Profile, profile
from core.edge.runtime.model import EdgeModel
from core.edge.signing import SigningKey
from core.errors import InvalidInput, TooLarge
from core.nets.architectures import ARCHITECTURES
from core.nets.layer import Context
from core.nets.model import Model
from core.nets.network import Network
from core.nets.spec import NetSpec

KEY = SigningKey.new()
KINDS = (
    *("conv",) * 3,
    *("conv_transpose", "max_pool", "average_pool", "pad", "batch_norm", "standardize", "whiten"),
    *("relu", "leaky_relu", "elu", "tanh", "sigmoid", "softmax", "dropout"),
)
sizes = st.integers(1, 4)


@st.composite
def layers(draw: st.DrawFn) -> dict[str, Any]:
    """Draw one layer that keeps pictures pictures."""
    kind = draw(st.sampled_from(KINDS))
    found: dict[str, Any] = {"layer": kind}
    if kind == "conv":
        groups = draw(st.sampled_from([1, 1, 1, 2]))
        found |= {
            "filters": groups * draw(st.integers(1, 20)),
            "kernel": [draw(sizes), draw(sizes)],
            "stride": [draw(sizes), draw(sizes)],
            "padding": [draw(st.integers(0, 2)), draw(st.integers(0, 2))],
            "dilation": [draw(st.integers(1, 2)), draw(st.integers(1, 3))],
            "groups": groups,
            "bias": draw(st.booleans()),
        }
    elif kind == "conv_transpose":
        groups = draw(st.sampled_from([1, 1, 2]))
        found |= {
            "filters": groups * draw(st.integers(1, 6)),
            "kernel": [draw(sizes), draw(sizes)],
            "stride": [draw(sizes), draw(sizes)],
            "padding": [draw(st.integers(0, 2)), draw(st.integers(0, 1))],
            "dilation": draw(st.integers(1, 2)),
            "groups": groups,
        }
    elif kind in ("max_pool", "average_pool"):
        found |= {"kernel": [draw(sizes), draw(sizes)], "stride": [draw(sizes), draw(sizes)]}
        found["padding"] = draw(st.integers(0, 1))
        if kind == "average_pool":
            found["count_include_pad"] = draw(st.booleans())
    elif kind == "pad":
        found |= {"before": draw(st.integers(0, 2)), "after": draw(st.integers(0, 2)), "value": 0.5}
    elif kind == "standardize":
        found |= {"mean": 0.3, "std": 1.7}
    return found


@st.composite
def nets(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a net: some layers, perhaps a residual or a concatenation, perhaps a dense end."""
    shape = [draw(st.integers(1, 4)), draw(st.integers(1, 12)), draw(st.integers(1, 12))]
    found = draw(st.lists(layers(), min_size=1, max_size=4))
    joined = draw(st.sampled_from([None, "add", "concatenate"]))
    if joined:
        found.append({"layer": "conv", "filters": 6, "kernel": 1, "name": "left"})
        found.append({"layer": "tanh", "name": "right"})
        found.append({"layer": joined, "inputs": ["left", "right"]})
        found.append({"layer": "relu"})
    if draw(st.booleans()):
        found += [{"layer": "flatten"}, {"layer": "dense", "features": draw(st.integers(1, 40))}]
        found += [{"layer": "relu"}] * draw(st.integers(0, 1))
    net = {"input": shape, "layers": found}
    try:
        Network(NetSpec.model_validate(net))
    except InvalidInput:
        assume(False)
    return net


def _by_layers(model: Model, images: Any) -> Any:
    """Return what the layers' own forward functions return, one after the other."""
    values: dict[int, Any] = {-1: np.moveaxis(images, 0, -1)}
    for node in model.network.nodes:
        weights = {name: model.weights[f"{node.name}.{name}"] for name in node.parameters}
        state = {name: model.weights[f"{node.name}.{name}"] for name in node.state}
        inputs = [values[source] for source in node.sources]
        values[node.index], _ = node.layer.forward(node.spec, inputs, weights, Context(state=state))
    return np.moveaxis(values[len(model.network.nodes) - 1], -1, 0)


def _agrees(model: Model, board: Profile, is_here: bool) -> None:
    """Check NumPy's path, and machine code where it can run, on the same bundle."""
    random = np.random.default_rng(1)
    images = random.normal(size=(2, *model.network.input_shape)).astype(np.float32)
    wanted = _by_layers(model, images)
    bound = 3e-5 * max(1.0, float(np.abs(wanted).max()))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle"
        path.write_bytes(build(model, board, KEY, name="net"))
        for machine_code in (False, True) if is_here else (False,):
            box = EdgeModel(str(path), KEY.public, machine_code)
            assert not (machine_code and box.notes)
            for x, y in zip(images, wanted, strict=True):
                np.testing.assert_allclose(box.predict(x), y, rtol=1e-4, atol=bound)
            assert box.self_test() <= 1


@settings(max_examples=16)
@given(net=nets(), board=st.sampled_from(["here", "here at least", "jetson-tk1", "arm64"]))
def test_random_nets(
    net: dict[str, Any],
    board: str,
    here: Profile,
    here_at_least: Profile,
    make_model: Callable[..., Model],
) -> None:
    boards = {"here": here, "here at least": here_at_least}
    _agrees(make_model(net), boards.get(board) or profile(board), board in boards)


@pytest.mark.parametrize("name", ["lenet5", "small-cnn", "autoencoder"])
def test_architectures(
    name: str, here: Profile, here_at_least: Profile, make_model: Callable[..., Model]
) -> None:
    architecture = next(a for a in ARCHITECTURES if a.name == name)
    spec = architecture.spec.model_validate({"architecture": name})
    net = architecture.build(spec, architecture.input, architecture.outputs)
    model = make_model(net.model_dump(mode="json", exclude_none=True))
    for board in (here, here_at_least):
        _agrees(model, board, True)


@pytest.mark.parametrize("channels", [2, 16, 21])
def test_depthwise_convolutions(
    channels: int, here: Profile, here_at_least: Profile, make_model: Callable[..., Model]
) -> None:
    conv = {"layer": "conv", "filters": channels, "groups": channels, "kernel": [3, 2]}
    layers = [
        conv | {"padding": [1, 2], "dilation": [2, 1]},
        {"layer": "batch_norm"},
        {"layer": "relu"},
        conv | {"stride": [2, 3], "bias": False},
        {"layer": "conv", "filters": 5, "kernel": 1},
    ]
    model = make_model({"input": [channels, 11, 9], "layers": layers})
    assert [step["op"] for step in plan(model, 8).steps].count("depthwise") == 2
    for board in (here, here_at_least):
        _agrees(model, board, True)


@pytest.mark.parametrize("padding", [[1, 0], [0, 1], [2, 1]])
def test_whole_vectors_stay_out_of_the_border(
    padding: list[int], here: Profile, make_model: Callable[..., Model]
) -> None:
    conv = {"layer": "conv", "filters": 1, "kernel": 1, "padding": padding, "bias": False}
    model = make_model({"input": [2, 8, 1], "layers": [{"layer": "relu"}, conv]})
    _agrees(model, here, True)


@pytest.mark.parametrize("machine_code", [False, True])
def test_a_prediction_allocates_nothing(
    machine_code: bool, here: Profile, small_bundle: Callable[..., Path]
) -> None:
    box = EdgeModel(str(small_bundle(here)), machine_code=machine_code)
    x = np.ones(box.input_shape, np.float32)
    box.predict(x)
    # Other threads of this process may allocate meanwhile, but not each time.
    peak = min(_peak_bytes(lambda: box.predict(x)) for _ in range(20))
    # Iterators and frames; the tensor between the first steps has 4608 bytes.
    assert peak < 3000


def _peak_bytes(call: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        call()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def test_nan_reaches_the_output(here: Profile, small_bundle: Callable[..., Path]) -> None:
    box = EdgeModel(str(small_bundle(here)))
    assert not box.notes
    assert np.isnan(box.predict(np.full(box.input_shape, np.nan, np.float32))).all()


def test_tensors_share_memory(make_model: Callable[..., Model]) -> None:
    net = {"input": [4, 32, 32], "layers": [{"layer": "tanh"}] * 10}
    found = plan(make_model(net), 4)
    assert found.arena < 3 * 4 * 32 * 32


@pytest.mark.parametrize(
    ("layer", "field"),
    [
        ({"layer": "gelu"}, "model.layers.0"),
        ({"layer": "whiten", "cut_off": 0.4}, "model.layers.0.cut_off"),
    ],
)
def test_layers_that_a_box_does_not_know(
    layer: dict[str, Any], field: str, make_model: Callable[..., Model]
) -> None:
    with pytest.raises(InvalidInput) as caught:
        plan(make_model({"input": [2, 8, 8], "layers": [layer]}), 4)
    assert caught.value.field == field


def test_weights_that_are_not_finite(make_model: Callable[..., Model]) -> None:
    model = make_model({"input": [2], "layers": [{"layer": "dense", "features": 2}]})
    model.weights["dense1.weight"][0, 0] = np.nan
    with pytest.raises(InvalidInput, match="finite"):
        plan(model, 4)


def test_a_model_that_does_not_fit(signing: SigningKey, make_model: Callable[..., Model]) -> None:
    net = {"input": [1, 8192, 8192], "layers": [{"layer": "relu"}, {"layer": "tanh"}]}
    board = profile("jetson-tk1").model_copy(update={"memory": 1 << 29})
    with pytest.raises(TooLarge, match="TK1"):
        build(make_model(net), board, signing, name="large")
