"""What compilers are given: the same in every process, so that files of CuPy's cache are found."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from core.conv import conv, convolve
from core.conv.cuda import modules
from tests.core.conv.cuda import conftest, standin

ROOT = Path(__file__).parents[4]


class Recorder:
    """Takes note of modules, whose functions do nothing."""

    def __init__(self) -> None:
        self.given: list[tuple[str, tuple[str, ...]]] = []

    def __call__(self, code: str, options: tuple[str, ...]) -> Any:
        self.given.append((code, options))
        return SimpleNamespace(get_function=lambda entry: _Nothing())

    @property
    def digest(self) -> str:
        return hashlib.sha256(repr(self.given).encode()).hexdigest()


class _Nothing:
    max_dynamic_shared_size_bytes = 0

    def __call__(self, *_: Any, **__: Any) -> None:
        """Do nothing."""


def use(cupy: Any, n: int) -> None:
    """Take every source for inputs of some size."""
    x, w = cupy.ones((n, n), "uint8"), np.outer([1.0, 2, 1], [1.0, 3, 1]).astype("f")
    for method in ("direct", "separable", "fft-tiled"):
        convolve(x, cupy.asarray(w), method=method)
    conv(cupy.ones((1, 8, n, n), "f"), cupy.ones((4, 8, 3, 3), "f"), method="direct")


def main() -> None:
    """Print what another process finds."""
    sys.modules.update(standin.modules(Path(), conftest.PROPERTIES))
    cupy = sys.modules["cupy"]
    cupy.RawModule = recorder = Recorder()
    use(cupy, 40)
    sys.stdout.write(recorder.digest)


@pytest.fixture
def recorder(cupy, monkeypatch):
    """What modules are asked for."""
    monkeypatch.setattr(cupy, "RawModule", found := Recorder())
    for cached in (modules._function, modules._module):
        cached.cache_clear()
    yield found
    for cached in (modules._function, modules._module):
        cached.cache_clear()


def test_a_module_serves_all_inputs(cupy, recorder) -> None:
    use(cupy, 40)
    assert len(recorder.given) == len(set(recorder.given)) == 4
    use(cupy, 55)
    assert len(recorder.given) == 4
    # Others would make CuPy compile an empty text first, in every process.
    assert {options for _, options in recorder.given} == {modules.OPTIONS}


def test_another_process_asks_for_the_same(cupy, recorder) -> None:
    use(cupy, 40)
    assert not any(str(ROOT) in code or "#include" in code for code, _ in recorder.given)
    program = "from tests.core.conv.cuda import test_modules; test_modules.main()"
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": seed}, stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    assert found.stdout.decode() == recorder.digest
