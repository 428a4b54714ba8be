"""A captured step of training through the kernels that a device has, compiled by g++."""

from __future__ import annotations

import shutil
import sys

import numpy as np
import pytest

from core.conv import device
from core.conv.algorithms import direct
from core.conv.cuda import modules, transfers
from core.nets import constants
from core.nets.training.options import TrainOptions
from core.nets.training.trainer import Trainer
from tests.core.conv.cuda import capture, standin

PROPERTIES = {"name": b"a stand-in", "sharedMemPerBlockOptin": 99 << 10, "major": 7, "minor": 5}


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
def test_a_captured_step_launches_the_kernels(
    data_set, network, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = standin.modules(tmp_path, PROPERTIES)
    cupy = found["cupy"]
    for name, module in found.items():
        monkeypatch.setitem(sys.modules, name, module)
    recorder = capture.install(monkeypatch, cupy)
    random = np.random.default_rng(0)
    data = data_set(random.random((8, 2, 4, 4), np.float32), np.arange(8) % 2, 2)
    net = network(
        {"layer": "conv", "filters": 2, "kernel": 3}, {"layer": "relu"}, {"layer": "flatten"},
        {"layer": "dense", "features": 2}, shape=(2, 4, 4),
    )  # fmt: skip
    options = TrainOptions(epochs=3, batch=8, validation=0.0, standardize=False)
    expected = Trainer(net, data, options).run()
    monkeypatch.setattr(direct, "numpy_run", None)
    for cached in (direct._generated, device.gpu, device._gpu):
        cached.cache_clear()
    trainer = Trainer(net, data, options, gpu=cupy)
    trained = trainer.run()
    assert trainer.on_gpu == {"resident": True, "without_graphs": None}
    assert recorder.launches == 2
    for name, weight in expected.weights.items():
        np.testing.assert_allclose(trained.weights[name], weight, rtol=1e-4, atol=1e-5)
    for cached in (
        direct._generated, device.gpu, device._gpu, transfers.transfers,
        modules._function, modules._module,
    ):  # fmt: skip
        cached.cache_clear()
    constants._of_streams.clear()
