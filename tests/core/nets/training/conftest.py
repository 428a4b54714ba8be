"""What tests of training share; fixtures are functions that make small nets and data sets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from core.nets.data.dataset import ArrayImages, Dataset
from core.nets.data.info import DataInfo
from core.nets.network import Network
from core.nets.spec import NetSpec


@pytest.fixture(scope="session")
def data_set() -> Callable[..., Dataset]:
    """Make a data set of arrays, also of such as no file would be accepted with."""

    def make(x: np.ndarray, y: np.ndarray | None = None, classes: int | None = None) -> Dataset:
        names = None if classes is None else tuple("abcdefghij"[:classes])
        task = "classification" if names else "reconstruction" if y is None else "regression"
        info = DataInfo("arrays", len(x), x.shape[1:], str(x.dtype), task, names)
        return Dataset(info, ArrayImages(x), y)

    return make


@pytest.fixture(scope="session")
def clouds(data_set: Callable[..., Dataset]) -> Callable[..., Dataset]:
    """Make clouds of points, one around a corner for each class."""

    def make(images: int = 60, classes: int = 3, seed: int = 0) -> Dataset:
        y = np.arange(images) % classes
        x = np.random.default_rng(seed).normal(size=(images, 4)) + 3 * np.eye(classes, 4)[y]
        return data_set(x.astype(np.float32), y, classes)

    return make


@pytest.fixture(scope="session")
def sums(data_set: Callable[..., Dataset]) -> Callable[..., Dataset]:
    """Make points whose target is the sum of their numbers."""

    def make(images: int = 60) -> Dataset:
        x = np.random.default_rng(0).normal(size=(images, 4)).astype(np.float32)
        return data_set(x, x.sum(axis=1, keepdims=True))

    return make


@pytest.fixture(scope="session")
def network() -> Callable[..., Network]:
    """Make a net of these layers."""

    def make(*layers: dict[str, Any], shape: tuple[int, ...] = (4,)) -> Network:
        return Network(NetSpec.model_validate({"input": list(shape), "layers": list(layers)}))

    return make


@pytest.fixture(scope="session")
def dense(network: Callable[..., Network]) -> Callable[[int], Network]:
    """Make a net of two dense layers."""

    def make(outputs: int) -> Network:
        return network({"layer": "dense", "features": 5}, {"layer": "dense", "features": outputs})

    return make
