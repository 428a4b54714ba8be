"""A data set may be larger than the memory that it may take."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.nets.data import Room, inspect, load

RNG = np.random.default_rng(9)
COUNT, SIDE = 60, 128
IMAGE = 3 * SIDE * SIDE


def peak(work: Callable[[], object]) -> int:
    work()  # Imports and caches are not what is measured.
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def pictures(make: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "pictures.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(COUNT):
            image = RNG.integers(0, 256, (3, SIDE, SIDE), np.uint8)
            archive.writestr(f"{number % 2}/{number}.png", make.picture(image))
    return path


def test_pictures_that_do_not_fit(pictures: Path) -> None:
    def epoch() -> None:
        data = load(pictures, room=Room(memory=5 * IMAGE))
        for start in range(0, COUNT, 4):
            data.batch(range(start, start + 4))

    # Five that are kept, four of a batch twice, and what decoding takes: not the sixty.
    assert peak(epoch) < 25 * IMAGE < COUNT * IMAGE / 2


def test_arrays_that_do_not_fit(tmp_path: Path) -> None:
    x = RNG.integers(0, 4, (400, SIDE, SIDE, 3), np.uint8)
    for save in (np.savez, np.savez_compressed):
        path = tmp_path / f"{save.__name__}.npz"
        save(path, x=x)

        def epoch(path: Path = path) -> None:
            data = load(path, room=Room(memory=0, scratch=tmp_path))
            for start in range(0, len(x), 4):
                data.batch(range(start, start + 4))

        # Pieces of a file, a few MB however large it is, and a batch.
        assert peak(epoch) < x.nbytes / 3


class Counting(io.BytesIO):
    """Counts the bytes that are read."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.count = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


def test_inspecting_reads_headers_only(make: Any, pictures: Path) -> None:
    x = RNG.integers(0, 256, (COUNT, SIDE, SIDE, 3), np.uint8)
    y = np.arange(COUNT) % 2
    for content in (
        make.npz(x=x, y=y),
        make.npz(compressed=True, x=x, y=y),
        make.idx(x),
        make.idx(x, True),
        pictures.read_bytes(),
    ):
        file = Counting(content)
        inspect(file)
        assert file.count < 100_000 < len(content)
        assert not file.closed
