from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convq.datasets import SAMPLES, Sample, make
from convq.datasets.sample import carried
from core.errors import NotFound
from core.nets.data import load

EXPECTED = {
    "digits": (1797, (1, 8, 8), "classification"),
    "mnist-small": (5000, (1, 28, 28), "classification"),
    "textures": (768, (1, 32, 32), "classification"),
    "photographs": (858, (3, 32, 32), "reconstruction"),
}


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample.name for sample in SAMPLES])
def test_every_sample_is_a_data_set(sample: Sample, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}{sample.extension}" for number in range(2)]
    for path in paths:
        make(sample, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert sorted(tmp_path.iterdir()) == paths
    found = load(paths[0])
    assert (len(found), found.shape, found.info.task) == EXPECTED[sample.name]
    x, _ = found.batch([0, len(found) - 1])
    assert x.std() > 0
    count, _, _ = EXPECTED[sample.name]
    assert f"{count:,} " in sample.summary


def test_digits_are_those_of_scikit_learn(tmp_path: Path) -> None:
    make(SAMPLES[0], tmp_path / "digits.npz")
    code = (
        "import sys; from sklearn.datasets import load_digits\n"
        "sys.stdout.buffer.write(load_digits().images.tobytes())"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    x, _ = load(tmp_path / "digits.npz").batch(range(1797))
    np.testing.assert_array_equal(x.ravel(), np.frombuffer(shown))


def test_a_package_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> Any:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("convq.datasets.sample.distribution", nothing)
    for sample in SAMPLES:
        with pytest.raises(NotFound, match=rf"come with {sample.package}.*convq\[datasets\]"):
            make(sample, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_package_without_the_file() -> None:
    with pytest.raises(NotFound, match="come with numpy"):
        carried("numpy", "numpy/no-such-file")


def test_an_older_file_survives_a_failure(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("no space left")

    path = tmp_path / "data.npz"
    path.write_bytes(b"older")
    with pytest.raises(OSError, match="no space"):
        make(Sample("a", "b", "c", "d", ".npz", fail), path)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"older"]
