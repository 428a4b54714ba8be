"""The filters of a net, as the events of its training tell them."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.jobs.snapshot import filters
from core.nets.network import Network
from core.nets.spec import NetSpec


def net(channels: int, side: int, *layers: dict[str, Any]) -> Network:
    return Network(
        NetSpec.model_validate({"input": [channels, side, side], "layers": list(layers)})
    )


def conv(number: int, kernel: int) -> dict[str, Any]:
    return {"layer": "conv", "filters": number, "kernel": kernel}


@given(
    channels=st.integers(1, 4),
    number=st.integers(1, 80),
    kernel=st.integers(1, 11),
    seed=st.integers(0, 9),
    size=st.sampled_from([0.0, 1e-3, 1.0, 1e4]),
)
def test_the_taps_come_back_within_half_a_level(
    channels: int, number: int, kernel: int, seed: int, size: float
) -> None:
    network = net(channels, 12, {"layer": "relu"}, conv(number, kernel), conv(2, 1))
    taps = size * np.random.default_rng(seed).normal(size=(number, channels, kernel, kernel))
    first = next(node.name for node in network.nodes if node.layer.name == "conv")
    weights = network.init(0) | {f"{first}.weight": taps.astype(np.float32)}
    told = filters(network, weights)
    assert told is not None
    assert len(json.dumps(told)) < 1500
    count = min(number, 1024 // (channels * kernel * kernel))
    assert told["shape"] == [count, channels, kernel, kernel]
    levels = np.frombuffer(base64.b64decode(told["values"]), np.int8).reshape(told["shape"])
    np.testing.assert_allclose(
        levels * told["scale"], taps[:count], rtol=1e-6, atol=0.5001 * told["scale"]
    )


@pytest.mark.parametrize(
    "network",
    [
        net(1, 8, {"layer": "flatten"}, {"layer": "dense", "features": 2}),
        net(1, 40, conv(2, 33)),
        Network(NetSpec.model_validate({"input": [1, 9], "layers": [conv(2, 3)]})),
    ],
    ids=["no convolution", "a filter too large", "not of pictures"],
)
def test_nets_without_small_filters_of_pictures_tell_none(network: Network) -> None:
    assert filters(network, network.init(0)) is None
