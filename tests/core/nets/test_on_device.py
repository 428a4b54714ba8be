"""Layers and steps of training on arrays of a device: a stand-in that refuses those of the host."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from core.conv import device
from core.conv.algorithms import direct
from core.nets.layer import Context
from core.nets.layers import LAYERS
from core.nets.losses.cross_entropy import CrossEntropySpec
from core.nets.network import Network
from core.nets.spec import NetSpec
from tests.core.conv.cuda import standin
from tests.core.nets.layers.conftest import build

EXAMPLES = [
    pytest.param(example, id=f"{layer.name}-{number}")
    for layer in LAYERS
    for number, example in enumerate(
        runpy.run_path(str(Path(__file__).parent / "layers" / "examples" / f"{layer.name}.py"))[
            "EXAMPLES"
        ]
    )
]
PROPERTIES = {"name": b"a stand-in", "sharedMemPerBlockOptin": 0, "major": 7, "minor": 5}


@pytest.fixture(scope="module")
def cupy(tmp_path_factory):
    """CuPy's stand-in; convolutions are operations on arrays: kernels have tests of their own."""
    found = standin.modules(tmp_path_factory.mktemp("none"), PROPERTIES)
    generated = direct._generated

    def on_the_host(form, where, cap):
        return None if where.kind == "gpu" else generated(form, where, cap)

    with pytest.MonkeyPatch.context() as patch:
        for name, module in found.items():
            patch.setitem(sys.modules, name, module)
        patch.setattr(direct, "_generated", on_the_host)
        yield found["cupy"]
    device.gpu.cache_clear()
    device._gpu.cache_clear()


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("example", EXAMPLES)
def test_a_layer_does_the_same_there(cupy, example, training) -> None:
    case = build(example, 3, 1, training=training, dtype="float64")

    def run(bring):
        context = Context(
            training=training, seed=(1,), state={k: bring(s) for k, s in case.state.items()}
        )
        y, backward = case.layer.forward(
            case.spec, [bring(x) for x in case.inputs],
            {k: bring(w) for k, w in case.weights.items()}, context,
        )  # fmt: skip
        dx, dw = backward(bring(np.ones(y.shape, np.float64)))
        return [y, *dx, *(dw[k] for k in sorted(dw)), *context.updates.values()]

    for found, expected in zip(run(cupy.asarray), run(np.asarray), strict=True):
        if expected is None:
            assert found is None
        else:
            assert type(found) is cupy.ndarray
            np.testing.assert_allclose(found.get(), expected, rtol=1e-9, atol=1e-9)


def test_a_step_does_the_same_there(cupy) -> None:
    layers = [
        {"layer": "conv", "filters": 3, "kernel": 3, "padding": 1}, {"layer": "batch_norm"},
        {"layer": "relu"}, {"layer": "max_pool", "kernel": 2}, {"layer": "flatten"},
        {"layer": "dense", "features": 4},
    ]  # fmt: skip
    network = Network(NetSpec.model_validate({"input": [1, 8, 8], "layers": layers}))
    weights = {name: array.astype(float) for name, array in network.init(0).items()}
    random = np.random.default_rng(1)
    x, labels = random.standard_normal((20, 1, 8, 8)), random.integers(0, 4, 20)
    loss = CrossEntropySpec(loss="cross_entropy")
    expected = network.step(weights, x, labels, loss, seed=(0, 1))
    there = {name: cupy.asarray(array) for name, array in weights.items()}
    found = network.step(there, cupy.asarray(x), cupy.asarray(labels), loss, seed=(0, 1))
    assert float(found.loss) == pytest.approx(expected.loss)
    for name, gradient in expected.gradients.items():
        np.testing.assert_allclose(found.gradients[name].get(), gradient, atol=1e-9)
    y = network.run(there, cupy.asarray(x))
    np.testing.assert_allclose(y.get(), network.run(weights, x), atol=1e-9)
