"""What is exported computes the same in ONNX Runtime."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput, TooLarge
from core.nets.architectures import ARCHITECTURES
from core.nets.layers import LAYERS
from core.nets.model import Model
from core.nets.network import Network
from core.nets.onnx import export, load, writing
from core.nets.onnx.layers import WRITERS
from core.nets.spec import NetSpec

RANDOM = np.random.default_rng(0)

# A net, by its input and layers, for each layer and each way in which it is written.
NETS: list[tuple[list[int], list[dict[str, Any]]]] = [
    ([3, 9], [{"layer": "conv", "filters": 4, "kernel": 3, "stride": 2, "padding": 1}]),
    ([4, 9, 8], [{"layer": "conv", "filters": 6, "kernel": [3, 5], "padding": "same",
                  "groups": 2, "bias": False}]),
    ([2, 6, 6, 6], [{"layer": "conv", "filters": 2, "kernel": 2, "dilation": 2}]),
    ([4, 5, 6], [{"layer": "conv_transpose", "filters": 6, "kernel": [3, 2], "stride": [2, 3],
                  "padding": 1, "output_padding": [1, 2], "groups": 2}]),
    ([2, 7], [{"layer": "conv_transpose", "filters": 3, "kernel": 3, "dilation": 2}]),
    ([5], [{"layer": "dense", "features": 3}]),
    ([5], [{"layer": "dense", "features": 3, "bias": False}]),
    ([2, 9, 9], [{"layer": "max_pool", "kernel": 3, "stride": 2, "padding": 1}]),
    ([2, 8], [{"layer": "max_pool", "kernel": 2}]),
    ([2, 9, 9], [{"layer": "average_pool", "kernel": [3, 2], "stride": 2, "padding": 1}]),
    ([2, 9, 9], [{"layer": "average_pool", "kernel": 3, "padding": 1, "count_include_pad": True}]),
    ([3, 4, 5], [{"layer": "global_max_pool"}]),
    ([3, 4, 5], [{"layer": "global_average_pool"}]),
    *(([3, 4, 5], [{"layer": name}]) for name in
      ("relu", "leaky_relu", "elu", "gelu", "tanh", "sigmoid", "softmax", "dropout", "identity")),
    ([3, 4], [{"layer": "leaky_relu", "slope": 0.3}, {"layer": "elu", "alpha": 2.0}]),
    ([7], [{"layer": "softmax"}]),
    ([3, 4, 5], [{"layer": "flatten"}]),
    ([3, 4, 5], [{"layer": "reshape", "to": [5, -1]}]),
    ([3, 4, 5], [{"layer": "pad", "before": 1, "after": [0, 2], "value": 1.5}]),
    ([3, 4, 5], [{"layer": "batch_norm", "epsilon": 0.01}]),
    ([6], [{"layer": "batch_norm"}]),
    ([3, 4, 5], [{"layer": "layer_norm", "epsilon": 0.01}]),
    ([6], [{"layer": "layer_norm"}]),
    ([9], [{"layer": "embedding", "vocabulary": 20, "features": 4}]),
    ([2, 6], [{"layer": "relu"}, {"layer": "tanh", "inputs": ["input"]},
              {"layer": "add", "inputs": ["relu1", "tanh1", "input"]},
              {"layer": "concatenate", "inputs": ["add1", "input"]}]),
    ([2, 6, 7], [{"layer": "standardize", "mean": [0.5, -1.0], "std": [2.0, 0.3]}]),
    ([6], [{"layer": "standardize", "mean": 0.5, "std": 2.0}]),
    ([2, 6, 7], [{"layer": "whiten"}]),
    ([6], [{"layer": "whiten", "epsilon": 0.1}]),
    ([2, 6, 7], [{"layer": "whiten", "cut_off": 0.4}]),
    ([2, 11], [{"layer": "whiten", "cut_off": 0.3}]),
    ([1, 4, 6, 5], [{"layer": "whiten", "cut_off": 0.5}]),
    ([2, 8, 9], [{"layer": "filter", "kernel": {"preset": "gaussian", "sigma": 1.0}}]),
    ([2, 8, 9], [{"layer": "filter", "kernel": {"preset": "sobel-x"}}]),
    ([2, 8, 9], [{"layer": "filter", "kernel": {"preset": "sobel-magnitude"}}]),
    ([2, 4, 5], [{"layer": "edge_channel"}]),
    ([2, 200], [{"layer": "stft", "frame": 32, "hop": 8}]),
    ([1, 200], [{"layer": "stft", "frame": 25, "hop": 10, "window": "hamming",
                 "output": "magnitude"}]),
    ([2, 900], [{"layer": "log_mel", "frame": 64, "hop": 32, "sample_rate": 8000, "bands": 8}]),
    ([3], [{"layer": "relu", "name": "output"}]),
]  # fmt: skip


def model_of(shape: Any, layers: Any, about: dict[str, Any] | None = None) -> Model:
    """Return a model with weights that none of them could be left out."""
    spec = NetSpec.model_validate({"input": shape, "layers": layers})
    network = Network(spec)
    weights = {
        name: (array + RANDOM.uniform(0.1, 0.5, array.shape)).astype(np.float32)
        for name, array in network.init(seed=1).items()
    }
    return Model(spec, weights, about or {})


def images(model: Model, count: int = 3) -> np.ndarray:
    shape = (count, *model.network.input_shape)
    embedding = next((s for s in model.spec.layers if s.layer == "embedding"), None)
    if embedding is not None:
        return RANDOM.integers(0, embedding.vocabulary, shape)  # type: ignore[attr-defined]
    return RANDOM.standard_normal(shape).astype(np.float32)


def check(model: Model, runtime: Any, x: np.ndarray) -> None:
    expected = model.run(x)
    (found,) = runtime(export(model), {"input": x})
    assert found.dtype == np.float32
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5 * scale)


def test_every_layer_is_written_and_tested() -> None:
    names = {layer.name for layer in LAYERS}
    assert set(WRITERS) == names
    assert {spec["layer"] for _, layers in NETS for spec in layers} == names


@pytest.mark.parametrize(("shape", "layers"), NETS, ids=lambda v: str(v)[:60])
def test_layers(shape: Any, layers: Any, runtime: Any) -> None:
    model = model_of(shape, layers)
    for count in (1, 3):
        check(model, runtime, images(model, count))


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a.name)
def test_architectures(architecture: Any, runtime: Any) -> None:
    given = {"vocabulary": 50} if architecture.name == "kim" else {}
    spec = architecture.spec(architecture=architecture.name, **given)
    net = architecture.build(spec, architecture.input, architecture.outputs)
    model = Model(net, Network(net).init(seed=0))
    check(model, runtime, images(model, 2))


@settings(max_examples=30)
@given(
    channels=st.integers(1, 4),
    side=st.integers(5, 12),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    activation=st.sampled_from(["relu", "leaky_relu", "elu", "gelu", "tanh", "sigmoid"]),
    pool=st.sampled_from(["max_pool", "average_pool"]),
)
def test_small_nets_come_back(
    runtime: Any,
    channels: int,
    side: int,
    kernel: int,
    stride: int,
    padding: int,
    activation: str,
    pool: str,
) -> None:
    layers = [
        {"layer": "standardize", "mean": 0.5, "std": 2.0},
        {"layer": "conv", "filters": 4, "kernel": kernel, "stride": stride, "padding": padding},
        {"layer": "batch_norm"},
        {"layer": activation},
        {"layer": pool, "kernel": 2, "stride": 1, "padding": 1},
        {"layer": "flatten"},
        {"layer": "dense", "features": 3},
    ]
    model = model_of([channels, side, side], layers)
    x = images(model)
    check(model, runtime, x)
    # These layers are written with operators that convq itself reads.
    check(model, lambda file, inputs: load(file).run(inputs), x)


def test_the_file_says_what_it_is() -> None:
    about = {"classes": ["a", "b"], "lineage": {"job": "j"}}
    model = model_of([3], [{"layer": "dense", "features": 2, "name": "last"}], about)
    data = export(model)
    assert data == export(model)
    proto = onnx.ModelProto.FromString(data)
    onnx.checker.check_model(proto, full_check=True)
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", 20)]
    assert {prop.key: json.loads(prop.value) for prop in proto.metadata_props} == {"convq": about}
    assert [tensor.name for tensor in proto.graph.initializer] == ["last.weight", "last.bias"]
    assert [node.output[0] for node in proto.graph.node] == ["last", "output"]


def test_what_would_be_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "MAX_BYTES", 10)
    with pytest.raises(TooLarge, match="do not fit"):
        export(model_of([3], [{"layer": "dense", "features": 2}]))
    monkeypatch.undo()
    long = [{"layer": "stft", "frame": 8192, "hop": 8192}]
    with pytest.raises(InvalidInput, match=r"layers\.0\.frame: stft1 has frames"):
        export(model_of([1, 9000], long))
