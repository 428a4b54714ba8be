"""The array module: NumPy by default, CuPy only where its arrays are, imported in one file."""

import ast
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import scipy.fft
from hypothesis import given
from hypothesis import strategies as st

from core import arrays
from core.errors import Unavailable

ROOT = Path(__file__).parents[2]
PACKAGES = ("convq", "api", "workers", "core")


def _mentions_cupy(source: str) -> bool:
    # Import statements and strings given to import_module or __import__.
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Call):
            names = [
                a.value
                for a in node.args
                if isinstance(a, ast.Constant)
                and isinstance(a.value, str)
                and "import" in ast.unparse(node.func)
            ]
        else:
            continue
        if any(name.partition(".")[0] in ("cupy", "cupyx") for name in names):
            return True
    return False


@pytest.mark.parametrize(
    "source",
    [
        "import cupy",
        "import cupyx.scipy.fft as fft",
        "from cupy import ndarray",
        "importlib.import_module('cupy')",
        "def f():\n    __import__('cupyx.scipy')",
    ],
)
def test_the_scan_finds_every_way_to_import(source: str) -> None:
    assert _mentions_cupy(source)


def test_only_arrays_and_the_boxes_runtime_import_cupy() -> None:
    # The runtime travels alone to boxes, and has nothing of the rest.
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    importing = [path.relative_to(ROOT) for path in files if _mentions_cupy(path.read_text())]
    assert set(importing) == {Path("core/arrays.py"), Path("core/edge/runtime/device.py")}


def test_importing_the_engine_does_not_import_cupy_or_matplotlib() -> None:
    code = "import sys, core.conv; print([m for m in ('cupy', 'matplotlib') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_numpy_arrays_get_numpy() -> None:
    x = np.zeros(3)
    assert arrays.array_module(x) is np
    assert arrays.fft_module(x) is scipy.fft
    assert not arrays.is_on_gpu(x)
    assert arrays.to_numpy(x) is x


def test_arrays_of_cupy_get_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    modules = {name: types.ModuleType(name) for name in ("cupy", "cupyx", "cupyx.scipy")}
    modules["cupyx.scipy.fft"] = fft = types.ModuleType("cupyx.scipy.fft")
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    host = np.arange(3)
    array_type = type("ndarray", (), {"__module__": "cupy", "get": lambda self: host})
    x = array_type()
    assert arrays.is_on_gpu(x)
    assert arrays.array_module(np.zeros(1), x) is modules["cupy"]
    assert arrays.fft_module(x) is fft
    assert arrays.to_numpy(x) is host


def test_who_wants_a_gpu_hears_why_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(Unavailable, match="not installed"):
        arrays.gpu_module()
    cupy = types.ModuleType("cupy")
    monkeypatch.setattr(cupy, "is_available", lambda: False, raising=False)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    with pytest.raises(Unavailable, match="no CUDA device"):
        arrays.gpu_module()


@given(st.data())
def test_windows_are_those_of_numpy(data) -> None:
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    axes = data.draw(st.lists(st.integers(0, len(shape) - 1), unique=True))
    lengths = [data.draw(st.integers(1, shape[axis])) for axis in axes]
    x = np.arange(np.prod(shape)).reshape(shape).T[::-1].T
    found = arrays.windows(x, lengths, axes)
    expected = np.lib.stride_tricks.sliding_window_view(x, lengths, axis=axes)
    np.testing.assert_array_equal(found, expected)
    assert np.shares_memory(found, x)
