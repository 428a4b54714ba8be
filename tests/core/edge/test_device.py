"""The steps on a GPU, with a stand-in for CuPy: NumPy whose arrays do not mix with others."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.edge.bundle import build
from core.edge.profiles import Profile
from core.edge.runtime.model import EdgeModel

# Ops of steps that the small net has not.
MORE: dict[str, Any] = {
    "input": [2, 9, 8],
    "layers": [
        {"layer": "standardize", "mean": 0.3, "std": 1.7},
        {"layer": "pad", "before": 1, "after": 0, "value": 0.5},
        {"layer": "conv", "filters": 2, "kernel": 3, "groups": 2, "padding": 1},
        {"layer": "elu"},
        {"layer": "average_pool", "kernel": 2},
        {"layer": "conv_transpose", "filters": 3, "kernel": 2, "stride": 2},
        {"layer": "leaky_relu"},
        {"layer": "batch_norm"},
        {"layer": "tanh"},
        {"layer": "sigmoid"},
        {"layer": "flatten"},
        {"layer": "dense", "features": 4},
        {"layer": "softmax"},
    ],
}


class Array(np.ndarray):
    """An array of the device."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        out = options.pop("out", ())
        if out:
            options["out"] = tuple(_mine(array) for array in out)
        found = getattr(ufunc, method)(*map(_mine, inputs), **options)
        return out[0] if out else _theirs(found)

    def __array_function__(self, func: Any, types: Any, args: Any, options: Any) -> Any:
        raise TypeError(f"{func.__name__} of NumPy was called on an array of the device")

    def get(self) -> Any:
        return np.array(self.view(np.ndarray))

    def set(self, host: Any) -> None:
        assert type(host) is np.ndarray
        self.view(np.ndarray)[...] = host


def _mine(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(map(_mine, value))
    if type(value) is np.ndarray:
        raise TypeError("an array of the processor was given to the device")
    return value.view(np.ndarray) if isinstance(value, Array) else value


def _theirs(value: Any) -> Any:
    return value.view(Array) if isinstance(value, np.ndarray) else value


def _function(name: str) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        given = {key: _mine(value) for key, value in options.items()}
        return _theirs(getattr(np, name)(*map(_mine, arguments), **given))

    return call


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> Any:
    made: Any = types.ModuleType("cupy")
    made.__getattr__ = _function
    made.asarray = lambda array: np.array(array).view(Array)
    tricks = types.SimpleNamespace(
        as_strided=lambda x, shape, strides: _theirs(
            np.lib.stride_tricks.as_strided(_mine(x), shape, strides)
        )
    )
    made.lib = types.SimpleNamespace(stride_tricks=tricks)
    made.cuda = types.SimpleNamespace(runtime=types.SimpleNamespace(getDeviceCount=lambda: 1))
    monkeypatch.setitem(sys.modules, "cupy", made)
    return made


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the device be faster than the processor."""

    def seconds(model: EdgeModel, compute: Any) -> float:
        return 0.001 if compute != model._on_processor else 0.002

    monkeypatch.setattr(EdgeModel, "_seconds", seconds)


@pytest.mark.usefixtures("cupy", "quick")
@pytest.mark.parametrize("net", ["small", "more"])
def test_the_device_says_what_the_processor_says(
    net: str,
    small_net: dict[str, Any],
    write: Callable[[dict[str, Any]], Path],
) -> None:
    path = str(write(small_net if net == "small" else MORE))
    device, processor = EdgeModel(path), EdgeModel(path, machine_code=False)
    assert device.notes == ["the GPU computes, with CuPy: 1 ms for an image instead of 2 ms"]
    assert processor.notes == []
    for seed in range(3):
        x = np.random.default_rng(seed).normal(size=device.input_shape)
        found = device.predict(x)
        assert type(found) is np.ndarray
        np.testing.assert_allclose(found, processor.predict(x), rtol=1e-4, atol=1e-5)
    assert device.self_test() <= 1


@pytest.mark.usefixtures("quick")
def test_a_device_that_says_something_else_is_not_used(
    cupy: Any, small_net: dict[str, Any], write: Callable[[dict[str, Any]], Path]
) -> None:
    cupy.dot = lambda x, y, out: out.fill(1)
    model = EdgeModel(str(write(small_net)))
    (note,) = model.notes
    assert note.startswith("the GPU is not used")
    assert "samples come out differently" in note
    assert model.self_test() <= 1


def test_a_device_that_is_slower_or_does_not_answer_is_not_used(
    cupy: Any,
    monkeypatch: pytest.MonkeyPatch,
    small_net: dict[str, Any],
    write: Callable[[dict[str, Any]], Path],
) -> None:
    path = str(write(small_net))

    def seconds(model: EdgeModel, compute: Any) -> float:
        return 0.002 if compute != model._on_processor else 0.001

    monkeypatch.setattr(EdgeModel, "_seconds", seconds)
    assert EdgeModel(path).notes == ["the GPU is not used: 2 ms for an image instead of 1 ms"]
    cupy.cuda.runtime.getDeviceCount = lambda: 0
    assert EdgeModel(path).notes == ["the GPU is not used: there is no device"]

    def broken() -> int:
        raise OSError("no driver")

    cupy.cuda.runtime.getDeviceCount = broken
    assert "no driver" in EdgeModel(path).notes[0]


@pytest.fixture
def write(
    make_model: Callable[..., Any], here_at_least: Profile, signing: Any, tmp_path: Path
) -> Callable[[dict[str, Any]], Path]:
    def make(document: dict[str, Any]) -> Path:
        path = tmp_path / "net.convq"
        path.write_bytes(build(make_model(document), here_at_least, signing, name="net"))
        return path

    return make
