from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.nets.data.dataset import Dataset
from core.nets.network import Network
from core.nets.spec import NetSpec
from core.nets.training.preparation import standardized

MakeData = Callable[..., Dataset]


@settings(deadline=None, max_examples=30)
@given(
    images=st.integers(2, 2500),
    channels=st.integers(1, 3),
    scale=st.floats(1e-2, 1e4),
    offset=st.floats(-1e3, 1e3),
)
def test_each_channel_comes_to_mean_0_and_deviation_1(
    data_set: MakeData, images: int, channels: int, scale: float, offset: float
) -> None:
    x = np.random.default_rng(0).normal(offset, scale, (images, channels, 2, 3))
    spec = NetSpec.model_validate({"input": [channels, 2, 3], "layers": [{"layer": "relu"}]})
    network = Network(standardized(spec, data_set(x)))
    found = network.run({}, x.astype(np.float32), output="standardized").astype(float)
    np.testing.assert_allclose(
        found.mean(axis=(0, 2, 3)), 0, atol=1e-3 + 1e-6 * abs(offset) / scale
    )
    np.testing.assert_allclose(found.std(axis=(0, 2, 3)), 1, rtol=1e-2)


def test_whoever_reads_the_input_reads_it_standardized(data_set: MakeData) -> None:
    layers = [
        {"layer": "relu"},
        {"layer": "add", "inputs": ["relu1", "input"]},
    ]
    spec = NetSpec.model_validate({"input": [1], "layers": layers})
    x = np.array([[-1.0], [3.0]], np.float32)
    network = Network(standardized(spec, data_set(x)))
    np.testing.assert_allclose(network.run({}, x), [[-1.0], [2.0]])


def test_a_constant_channel_becomes_0(data_set: MakeData) -> None:
    x = np.full((50, 1, 4, 4), 0.1, np.float32)
    spec = NetSpec.model_validate({"input": [1, 4, 4], "layers": [{"layer": "relu"}]})
    network = Network(standardized(spec, data_set(x)))
    np.testing.assert_allclose(network.run({}, x), 0, atol=1e-7)


def test_the_name_must_be_free(data_set: MakeData) -> None:
    layers = [{"layer": "relu", "name": "standardized"}]
    spec = NetSpec.model_validate({"input": [1], "layers": layers})
    with pytest.raises(InvalidInput, match="standardized"):
        standardized(spec, data_set(np.zeros((2, 1))))
