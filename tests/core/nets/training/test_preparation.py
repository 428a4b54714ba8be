from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.nets.data.dataset import Dataset
from core.nets.network import Network
from core.nets.training.options import TrainOptions
from core.nets.training.preparation import standardized
from core.nets.training.trainer import Trainer

MakeData = Callable[..., Dataset]
MakeNet = Callable[..., Network]

RELU = {"layer": "relu"}


@settings(max_examples=30)
@given(
    images=st.integers(2, 2500),
    channels=st.integers(1, 3),
    scale=st.floats(1e-2, 1e4),
    offset=st.floats(-1e3, 1e3),
)
def test_each_channel_comes_to_mean_0_and_deviation_1(
    data_set: MakeData, network: MakeNet, images: int, channels: int, scale: float, offset: float
) -> None:
    x = np.random.default_rng(0).normal(offset, scale, (images, channels, 2, 3))
    net = standardized(network(RELU, shape=(channels, 2, 3)), data_set(x), np.arange(images))
    found = net.run({}, x.astype(np.float32), output="standardized").astype(float)
    rounding = 1e-3 + 1e-6 * abs(offset) / scale
    np.testing.assert_allclose(found.mean(axis=(0, 2, 3)), 0, atol=rounding)
    np.testing.assert_allclose(found.std(axis=(0, 2, 3)), 1, rtol=1e-2)


def test_whoever_reads_the_input_reads_it_standardized(
    data_set: MakeData, network: MakeNet
) -> None:
    net = network(RELU, {"layer": "add", "inputs": ["relu1", "input"]}, shape=(1,))
    x = np.array([[-1.0], [3.0]], np.float32)
    found = standardized(net, data_set(x), np.arange(2))
    np.testing.assert_allclose(found.run({}, x), [[-1.0], [2.0]])


def test_only_images_to_learn_from_are_measured(data_set: MakeData, network: MakeNet) -> None:
    x = np.arange(12, dtype=np.float32)[:, np.newaxis]
    found = standardized(network(RELU, shape=(1,)), data_set(x), np.array([2, 4]))
    np.testing.assert_allclose(found.run({}, x[[2, 4]], output="standardized"), [[-1.0], [1.0]])


def test_of_many_images_some_that_lie_evenly_are_measured(
    data_set: MakeData, network: MakeNet
) -> None:
    x = np.arange(30_000, dtype=np.float32)[:, np.newaxis]
    found = standardized(network(RELU, shape=(1,)), data_set(x), np.arange(len(x)))
    standard = found.run({}, x, output="standardized").astype(float)
    assert abs(standard.mean()) < 1e-3
    assert standard.std() == pytest.approx(1, rel=1e-3)


def test_a_constant_channel_becomes_0(data_set: MakeData, network: MakeNet) -> None:
    x = np.full((50, 1, 4, 4), 0.1, np.float32)
    found = standardized(network(RELU, shape=(1, 4, 4)), data_set(x), np.arange(50))
    np.testing.assert_allclose(found.run({}, x), 0, atol=1e-7)


def test_words_are_left_as_they_are(data_set: MakeData, network: MakeNet) -> None:
    embedding = {"layer": "embedding", "vocabulary": 10, "features": 2}
    net = network(embedding, {"layer": "flatten"}, {"layer": "dense", "features": 3}, shape=(4,))
    data = data_set(np.arange(40).reshape(10, 4) % 10, np.arange(10) % 3, 3)
    assert standardized(net, data, np.arange(10)) is net


def test_the_name_must_be_free(data_set: MakeData, network: MakeNet) -> None:
    net = network(RELU | {"name": "standardized"}, shape=(1,))
    with pytest.raises(InvalidInput, match="standardized"):
        standardized(net, data_set(np.zeros((2, 1))), np.arange(2))


def test_the_trained_net_takes_images_as_they_are(clouds: MakeData, network: MakeNet) -> None:
    data, net = clouds(), network({"layer": "dense", "features": 3})
    plain, prepared = (
        Trainer(net, data, TrainOptions(epochs=1, standardize=wanted)).network
        for wanted in (False, True)
    )
    assert plain is net
    assert list(prepared.shapes) == ["standardized", "dense1"]
