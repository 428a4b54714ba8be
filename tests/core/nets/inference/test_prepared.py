"""A prepared net predicts for one image what the net predicts for a batch."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.nets.architectures import ARCHITECTURES
from core.nets.network import Network
from core.nets.spec import NetSpec

DTYPES = ("float32", "float64")
ACTIVATIONS = ("relu", "leaky_relu", "elu", "gelu", "tanh", "sigmoid", "softmax")


def net(shape: list[int], layers: list[dict[str, Any]]) -> Network:
    return Network(NetSpec.model_validate({"input": shape, "layers": layers}))


def weights_of(network: Network, dtype: str = "float32", seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    found = network.init(seed)
    for name, array in found.items():
        if name.endswith("variance"):
            found[name] = random.uniform(0.5, 2, array.shape)
        elif array.ndim == 1:
            # Biases, scales and means, which start as zeros and ones.
            found[name] = random.normal(1, 0.5, array.shape)
    return {name: array.astype(dtype) for name, array in found.items()}


def images(network: Network, count: int, dtype: str = "float32", seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.standard_normal((count, *network.input_shape)).astype(dtype)


def assert_same(network: Network, dtype: str = "float32", seed: int = 0, **options: Any) -> None:
    weights, x = weights_of(network, dtype, seed), images(network, 2, dtype, seed)
    y = network.prepared(weights, **options).run(x)
    expected = network.run(weights, x, **options)
    assert y.shape == expected.shape
    assert y.dtype == expected.dtype
    # Without weights a net computes in float32 whatever comes in.
    tolerance = {"float32": 2e-5, "float64": 1e-12}[y.dtype.name]
    scale = np.abs(expected).max() + 1
    np.testing.assert_allclose(y, expected, rtol=tolerance, atol=tolerance * scale)


@st.composite
def chains(draw: st.DrawFn) -> Network:
    """Return a net of layers with windows, of one to three axes, and a dense end."""
    axes = draw(st.sampled_from([1, 2, 2, 2, 3]))
    shape = [draw(st.sampled_from([1, 2, 3, 16, 18])), *draw(_sides(axes))]
    layers: list[dict[str, Any]] = []
    while len(layers) < 6:
        (channels, *spatial) = _outcome(shape, layers)
        kind = draw(
            st.sampled_from(
                [
                    "conv",
                    "conv",
                    "depthwise",
                    "max_pool",
                    "average_pool",
                    "batch_norm",
                    "activation",
                ]
            )
        )
        layer = draw(_layer(kind, channels, spatial))
        layers.append(layer)
        if draw(st.integers(0, 3)) == 0:
            break
    end = draw(st.sampled_from(["none", "flatten", "dense", "global"]))
    if end == "global":
        layers.append({"layer": draw(st.sampled_from(["global_max_pool", "global_average_pool"]))})
    if end in ("flatten", "dense"):
        layers.append({"layer": "flatten"})
    if end in ("dense", "global"):
        features = draw(st.sampled_from([1, 5, 16, 40]))
        layers += [{"layer": "dense", "features": features}, {"layer": "batch_norm"}]
        layers.append({"layer": draw(st.sampled_from(ACTIVATIONS))})
    return net(shape, layers)


def _sides(axes: int) -> st.SearchStrategy[list[int]]:
    longest = {1: 40, 2: 12, 3: 6}[axes]
    return st.lists(st.integers(1, longest), min_size=axes, max_size=axes)


def _outcome(shape: list[int], layers: list[dict[str, Any]]) -> list[int]:
    return list(net(shape, layers).output_shape) if layers else shape


@st.composite
def _layer(draw: st.DrawFn, kind: str, channels: int, spatial: list[int]) -> dict[str, Any]:
    if kind == "activation":
        return {"layer": draw(st.sampled_from(ACTIVATIONS))}
    if kind == "batch_norm":
        return {"layer": kind}
    if kind == "conv_transpose":
        return draw(_transposed(channels, spatial))
    kernel = [draw(st.integers(1, min(3, n))) for n in spatial]
    stride = [draw(st.integers(1, 2)) for _ in spatial]
    padding = [draw(st.integers(0, k - 1)) for k in kernel]
    found: dict[str, Any] = {"kernel": kernel, "stride": stride, "padding": padding}
    if kind == "average_pool":
        found["count_include_pad"] = draw(st.booleans())
    if kind in ("conv", "depthwise"):
        room = [n + 2 * p for n, p in zip(spatial, padding, strict=True)]
        found["dilation"] = [
            draw(st.integers(1, (n - 1) // (k - 1) if k > 1 else 2))
            for n, k in zip(room, kernel, strict=True)
        ]
        groups = channels if kind == "depthwise" else draw(st.sampled_from([1, 1, 2]))
        groups = groups if channels % groups == 0 else 1
        factor = 1 if kind == "depthwise" else draw(st.sampled_from([1, 2, 9, 16]))
        found |= {"groups": groups, "filters": groups * factor, "bias": draw(st.booleans())}
        kind = "conv"
    return {"layer": kind, **found}


@st.composite
def _transposed(draw: st.DrawFn, channels: int, spatial: list[int]) -> dict[str, Any]:
    groups = draw(st.sampled_from([1, 1, 2 - channels % 2]))
    stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    kernel = draw(st.integers(1, 4))
    shortest = (min(spatial) - 1) * stride + dilation * (kernel - 1) + 1
    return {
        "layer": "conv_transpose",
        "filters": groups * draw(st.sampled_from([1, 3, 16])),
        "kernel": kernel,
        "stride": stride,
        "padding": draw(st.integers(0, min(2, (shortest - 1) // 2))),
        "output_padding": draw(st.integers(0, stride - 1)),
        "dilation": dilation,
        "groups": groups,
        "bias": draw(st.booleans()),
    }


@settings(max_examples=80)
@given(network=chains(), dtype=st.sampled_from(DTYPES), seed=st.integers(0, 99))
def test_a_chain_is_computed_as_by_its_layers(network, dtype, seed) -> None:
    assert_same(network, dtype, seed)


@st.composite
def graphs(draw: st.DrawFn) -> Network:
    """Return a net whose layers read any earlier ones; all maps are of 5 x 5."""
    channels = {"input": draw(st.sampled_from([2, 16]))}
    shape = [channels["input"], 5, 5]
    unread: list[str] = []
    layers: list[dict[str, Any]] = []
    kinds = ["conv", "conv", "batch_norm", "relu", "tanh", "add", "add", "concatenate", "dropout"]
    for number in range(draw(st.integers(1, 9))):
        kind = draw(st.sampled_from(kinds))
        first = draw(st.sampled_from(list(channels)))
        inputs = [first]
        if kind in ("add", "concatenate"):
            like = [n for n in channels if kind == "concatenate" or channels[n] == channels[first]]
            inputs += draw(st.lists(st.sampled_from(like), min_size=1, max_size=2))
        name = f"l{number}"
        size = draw(st.sampled_from([1, 3, 5]))
        filters = draw(st.sampled_from([2, 16, 17]))
        options = {"filters": filters, "kernel": size, "padding": "same"} if kind == "conv" else {}
        layers.append({"layer": kind, "name": name, "inputs": inputs, **options})
        out = {"conv": filters, "concatenate": sum(channels[n] for n in inputs)}
        channels[name] = out.get(kind, channels[first])
        unread = [n for n in unread if n not in inputs] + [name]
    joined = [*unread, "input"]
    if draw(st.booleans()):
        # Flattened first: what is put together no longer lies as channels.
        layers += [{"layer": "flatten", "name": f"f{n}", "inputs": [n]} for n in joined]
        joined = [f"f{n}" for n in joined]
    layers += [
        {"layer": "concatenate", "inputs": joined},
        {"layer": "flatten"},
        {"layer": "dense", "features": 3},
    ]
    return net(shape, layers)


@settings(max_examples=50)
@given(network=graphs(), data=st.data(), seed=st.integers(0, 99))
def test_branches_are_computed_as_by_the_layers(network, data, seed) -> None:
    assert_same(network, seed=seed)
    assert_same(network, seed=seed, output=data.draw(st.sampled_from(list(network.shapes))))


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda found: found.name)
def test_every_architecture_is_computed_as_by_its_layers(architecture) -> None:
    options = {"vocabulary": 20} if architecture.name == "kim" else {}
    spec = architecture.spec.model_validate({"architecture": architecture.name, **options})
    network = Network(architecture.build(spec, architecture.input, architecture.outputs))
    if architecture.name != "kim":
        assert_same(network)
        return
    words = np.random.default_rng(0).integers(0, 20, (2, *architecture.input))
    weights = weights_of(network)
    expected = network.run(weights, words)
    np.testing.assert_allclose(network.prepared(weights).run(words), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("where", ["weight", "input"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_reaches_the_same_outputs(value, where) -> None:
    conv = {"layer": "conv", "filters": 17, "kernel": 3}
    layers = [
        {**conv, "padding": 1},
        {"layer": "relu"},
        {"layer": "max_pool", "kernel": 2, "stride": 1, "padding": 1},
        {"layer": "average_pool", "kernel": 2, "padding": 1},
        {**conv, "padding": 1, "groups": 17},
    ]
    network = net([3, 12, 12], layers)
    weights, x = weights_of(network), images(network, 1)
    if where == "weight":
        weights["conv1.weight"][2, 1, 0, 1] = value
    else:
        x[0, 1, 4, 4] = value
    y, expected = network.prepared(weights).run(x), network.run(weights, x)
    np.testing.assert_array_equal(np.isfinite(y), np.isfinite(expected))
    assert not np.isfinite(y).all()
    assert np.isfinite(y).any()


def test_a_fold_that_overflows_is_left_out() -> None:
    network = net([1, 4], [{"layer": "conv", "filters": 1, "kernel": 1}, {"layer": "batch_norm"}])
    weights = weights_of(network)
    weights["conv1.weight"][:] = 1e20
    weights["batch_norm1.weight"][:] = 1e20
    x = np.full((1, 1, 4), 1e-20, np.float32)
    y = network.prepared(weights).run(x)
    np.testing.assert_allclose(y, network.run(weights, x), rtol=1e-6)
    assert np.isfinite(y).all()


def test_a_named_method_is_kept() -> None:
    assert_same(net([3, 8, 8], [{"layer": "conv", "filters": 4, "kernel": 3, "method": "direct"}]))


def test_outputs_that_no_input_reaches_are_the_bias() -> None:
    assert_same(
        net([3, 5, 5], [{"layer": "conv_transpose", "filters": 16, "kernel": 2, "stride": 3}])
    )


@pytest.mark.parametrize(
    "limits", [["convolutions.MOST_IDLE", "transposed.MOST_IDLE"], ["prepared._MOST_BYTES"]]
)
def test_layers_that_waste_lanes_or_memory_compute_by_themselves(monkeypatch, limits) -> None:
    conv = {"layer": "conv", "filters": 3, "kernel": 3}
    network = net([2, 9, 9], [conv, {**conv, "layer": "conv_transpose"}, {"layer": "relu"}])
    weights = weights_of(network)
    assert forwards(network, weights, monkeypatch) == []
    for limit in limits:
        monkeypatch.setattr(f"core.nets.inference.{limit}", 0)
    assert forwards(network, weights, monkeypatch) == ["conv1", "conv_transpose1"]
    assert_same(network)


def test_all_layers_with_kernels_are_one_step(monkeypatch) -> None:
    network = net(
        [3, 16, 16],
        [
            {"layer": "conv", "filters": 8, "kernel": 3, "padding": 1, "name": "a"},
            {"layer": "batch_norm"},
            {"layer": "leaky_relu", "name": "b"},
            {"layer": "conv", "filters": 8, "kernel": 3, "padding": 1, "groups": 8, "name": "c"},
            {"layer": "add", "inputs": ["b", "c"]},
            {"layer": "max_pool", "kernel": 3, "stride": 2, "padding": 1, "name": "d"},
            {"layer": "conv_transpose", "filters": 8, "kernel": 2, "stride": 2, "name": "e"},
            {"layer": "concatenate", "inputs": ["b", "e"]},
            {"layer": "average_pool", "kernel": 2},
            {"layer": "flatten"},
            {"layer": "dense", "features": 3},
        ],
    )
    assert forwards(network, weights_of(network), monkeypatch) == []
    assert_same(network)


def forwards(network: Network, weights: dict[str, np.ndarray], monkeypatch: Any) -> list[str]:
    """Return the layers that compute by their own ``forward`` in a prepared net."""
    from core.nets.inference import steps

    with monkeypatch.context() as patch:
        found: list[str] = []
        real = steps.forward_of

        def noted(operation: Any, *rest: Any) -> Any:
            found.append(operation.node.name)
            return real(operation, *rest)

        patch.setattr(steps, "forward_of", noted)
        network.prepared(weights)
        return found


@pytest.mark.parametrize("norm", ["layer_norm", "batch_norm"])
def test_later_changes_of_the_weights_do_not_matter(norm) -> None:
    layers = [{"layer": norm}, {"layer": "flatten"}, {"layer": "dense", "features": 2}]
    network = net([1, 4], layers)
    weights, x = weights_of(network), images(network, 1)
    prepared, expected = network.prepared(weights), network.run(weights, x)
    for array in weights.values():
        array[:] = 0
    np.testing.assert_allclose(prepared.run(x), expected, rtol=1e-5)


def test_overflows_are_results_and_no_warnings() -> None:
    network = net([3], [{"layer": "softmax"}, {"layer": "layer_norm"}])
    x = np.array([[np.inf, 1.0, -np.inf]], np.float32)
    assert np.isnan(network.prepared(weights_of(network)).run(x)).all()


def test_results_are_the_callers_own() -> None:
    network = net([1, 4], [{"layer": "relu"}])
    prepared, x = network.prepared({}), np.ones((1, 1, 4), np.float32)
    first = prepared.run(x)
    prepared.run(-x)
    np.testing.assert_array_equal(first, x)


def test_nothing_is_left_of_the_image_before() -> None:
    network = net([2, 6, 6], [{"layer": "conv", "filters": 3, "kernel": 3, "padding": 1}] * 4)
    weights, x = weights_of(network), images(network, 1)
    prepared = network.prepared(weights)
    expected = prepared.run(x)
    prepared.run(np.full_like(x, np.nan))
    np.testing.assert_array_equal(prepared.run(x), expected)


def test_images_of_any_dtype_are_taken_as_the_net_takes_them() -> None:
    network = net([1, 4, 4], [{"layer": "conv", "filters": 2, "kernel": 3}])
    weights = weights_of(network)
    for dtype in ("uint8", "float64", ">f4"):
        x = np.arange(32).reshape(2, 1, 4, 4).astype(dtype)
        y = network.prepared(weights).run(x[:, :, ::-1])
        np.testing.assert_allclose(y, network.run(weights, x[:, :, ::-1]), rtol=1e-4, atol=1e-4)
        assert y.dtype == np.float32


def test_threads_take_turns() -> None:
    network = net([1, 8, 8], [{"layer": "conv", "filters": 16, "kernel": 3}, {"layer": "relu"}])
    weights, x = weights_of(network), images(network, 50)
    prepared = network.prepared(weights)
    expected = prepared.run(x)
    found: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: found.append(prepared.run(x))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for y in found:
        np.testing.assert_array_equal(y, expected)


def test_shared_layers_have_the_same_bits(monkeypatch) -> None:
    conv = {"layer": "conv", "filters": 40, "kernel": 3, "padding": 1}
    layers = [
        conv,
        {**conv, "groups": 40},
        {**conv, "stride": [8, 1], "groups": 2},
        {"layer": "reshape", "to": [40, 18]},
        {"layer": "conv", "filters": 40, "kernel": 3},
        {"layer": "flatten"},
        {"layer": "dense", "features": 300},
    ]
    network = net([3, 9, 9], layers)
    weights, x = weights_of(network), images(network, 3)
    alone = network.prepared(weights).run(x)
    from core.nets.inference import steps

    monkeypatch.setattr(steps, "_WORTH_SHARING", 0)
    monkeypatch.setattr(steps, "cores", lambda: 2)
    np.testing.assert_array_equal(network.prepared(weights).run(x), alone)


def test_a_run_can_be_stopped_between_images() -> None:
    class Stop(Exception):
        pass

    seen: list[int] = []

    def check() -> None:
        seen.append(len(seen))
        if len(seen) == 3:
            raise Stop

    network = net([1, 4], [{"layer": "relu"}])
    prepared = network.prepared({})
    with pytest.raises(Stop):
        prepared.run(np.ones((5, 1, 4), np.float32), check=check)
    assert prepared.run(np.ones((1, 1, 4), np.float32)).tolist() == [[[1.0] * 4]]


@pytest.mark.parametrize("shape", [(1, 4), (1, 1, 5), (0, 1, 4), ()])
def test_what_are_no_images_is_refused(shape) -> None:
    prepared = net([1, 4], [{"layer": "relu"}]).prepared({})
    with pytest.raises(InvalidInput, match="no images"):
        prepared.run(np.zeros(shape, np.float32))


def test_missing_weights_and_unknown_layers_are_refused() -> None:
    network = net([4], [{"layer": "dense", "features": 2}])
    with pytest.raises(InvalidInput, match="missing"):
        network.prepared({})
    with pytest.raises(InvalidInput, match="no such layer"):
        network.prepared(network.init(0), output="conv7")


def test_the_same_comes_out_without_generated_kernels() -> None:
    # A process of its own: whether there are kernels is asked once.
    program = (
        "import sys; import numpy as np;"
        "from core.nets.network import Network; from core.nets.spec import NetSpec;"
        "layers = [{'layer': 'conv', 'filters': 3, 'kernel': 3}, {'layer': 'batch_norm'},"
        " {'layer': 'relu'}, {'layer': 'flatten'}, {'layer': 'dense', 'features': 2}];"
        "net = Network(NetSpec.model_validate({'input': [1, 6, 6], 'layers': layers}));"
        "w = net.init(0); x = np.random.default_rng(0).standard_normal((2, 1, 6, 6), np.float32);"
        "np.testing.assert_allclose(net.prepared(w).run(x), net.run(w, x), rtol=1e-6);"
        "assert 'llvmlite' not in sys.modules"
    )
    environment = os.environ | {"CONVQ_CODEGEN": "off", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
