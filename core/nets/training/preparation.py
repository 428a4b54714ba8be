"""Nets learn best from numbers around 0; this measures what brings the data there."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.errors import InvalidInput
from core.nets.data.dataset import Dataset
from core.nets.network import Network
from core.nets.spec import NetSpec
from core.nets.training.checks import check_finite
from core.nets.training.split import Indices

_NAME = "standardized"
# Enough to know a mean to a percent of the deviation, and few enough to be read in no time.
_MOST = 10_000
_AT_ONCE = 1000


def standardized(network: Network, data: Dataset, images: Indices) -> Network:
    """Return the net with a first layer that brings each channel to mean 0 and deviation 1.

    The layer is part of the net: whoever predicts with it hands in images as they are.

    Parameters
    ----------
    network : Network
        A net of words is returned as it is: their numbers have no mean.
    data : Dataset
    images : ndarray of int64
        Of which mean and deviation are measured: of all, or of 10,000 that lie evenly among them.
        A channel that is everywhere the same is divided by 1.

    Returns
    -------
    Network
        With a layer ``standardized`` in front.

    Raises
    ------
    InvalidInput
        If a layer has this name already, or an image a number that is not finite.

    Examples
    --------
    >>> import io
    >>> from core.nets.data import load
    >>> file = io.BytesIO()
    >>> np.savez(file, x=np.array([[0, 10], [10, 10]], np.uint8), y=np.array([0, 1]))
    >>> spec = NetSpec.model_validate({"input": [2], "layers": [{"layer": "dense", "features": 2}]})
    >>> found = standardized(Network(spec), load(file.getvalue()), np.arange(2)).spec.layers[0]
    >>> found.mean, found.std
    ([5.0, 10.0], [5.0, 1.0])
    """
    spec = network.spec
    if any(node.layer.words for node in network.nodes):
        return network
    if any(layer.name == _NAME for layer in spec.layers):
        raise InvalidInput(
            "a layer of this name is put in front of the others",
            field="layers",
            given=_NAME,
            accepted="other names",
        )
    mean, std = _moments(data, images)
    first = {"layer": "standardize", "name": _NAME, "mean": mean, "std": std}
    layers = [_reading(layer.model_dump()) for layer in spec.layers]
    return Network(NetSpec.model_validate({"input": spec.input, "layers": [first, *layers]}))


def _reading(layer: dict[str, Any]) -> dict[str, Any]:
    """Let a layer that reads the input read the standardized one."""
    if layer["inputs"] is None:
        return layer
    names = [_NAME if name == "input" else name for name in layer["inputs"]]
    return layer | {"inputs": names}


def _moments(data: Dataset, images: Indices) -> tuple[list[float], list[float]]:
    count = min(len(images), _MOST)
    chosen = images[np.arange(count) * len(images) // count]
    total = np.zeros(data.shape[0])
    squares = np.zeros(data.shape[0])
    numbers = 0
    for start in range(0, count, _AT_ONCE):
        wanted = chosen[start : start + _AT_ONCE]
        x, _ = data.batch(wanted)
        check_finite(x, wanted, "data.x")
        flat = x.reshape(len(x), data.shape[0], -1).astype(np.float64)
        total += flat.sum(axis=(0, 2))
        squares += np.square(flat).sum(axis=(0, 2))
        numbers += flat.shape[0] * flat.shape[2]
    mean = total / numbers
    deviation = np.sqrt(np.maximum(squares / numbers - np.square(mean), 0))
    # What rounding leaves of a constant channel is no deviation.
    constant = deviation <= 1e-6 * np.maximum(np.abs(mean), 1e-6)
    return mean.tolist(), np.where(constant, 1.0, deviation).tolist()
