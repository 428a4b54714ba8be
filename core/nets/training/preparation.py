"""Nets learn best from numbers around 0; this measures what brings the data there."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.errors import InvalidInput
from core.nets.data.dataset import Dataset
from core.nets.spec import NetSpec

_NAME = "standardized"
# Enough to know a mean to a percent of the deviation, and few enough to be read in no time.
_MOST = 10_000
_AT_ONCE = 1000


def standardized(spec: NetSpec, data: Dataset) -> NetSpec:
    """Return the net with a first layer that brings each channel to mean 0 and deviation 1.

    The layer is part of the net: whoever predicts with it hands in images as they are.

    Parameters
    ----------
    spec : NetSpec
        A net of images, sound or vectors; not of words.
    data : Dataset
        Where mean and deviation are measured, over all images or 10,000 that lie evenly. A
        channel that is everywhere the same is divided by 1.

    Returns
    -------
    NetSpec
        With a layer ``standardized`` in front.

    Raises
    ------
    InvalidInput
        If a layer has this name already.

    Examples
    --------
    >>> import io
    >>> from core.nets.data import load
    >>> file = io.BytesIO()
    >>> np.savez(file, x=np.array([[0, 10], [10, 10]], np.uint8), y=np.array([0, 1]))
    >>> spec = NetSpec.model_validate({"input": [2], "layers": [{"layer": "dense", "features": 2}]})
    >>> found = standardized(spec, load(file.getvalue())).layers[0]
    >>> found.mean, found.std
    ([5.0, 10.0], [5.0, 1.0])
    """
    if any(layer.name == _NAME for layer in spec.layers):
        raise InvalidInput(
            "a layer of this name is put in front of the others",
            field="layers",
            given=_NAME,
            accepted="other names",
        )
    mean, std = _moments(data)
    first = {"layer": "standardize", "name": _NAME, "mean": mean, "std": std}
    layers = [_reading(layer.model_dump()) for layer in spec.layers]
    return NetSpec.model_validate({"input": spec.input, "layers": [first, *layers]})


def _reading(layer: dict[str, Any]) -> dict[str, Any]:
    """Let a layer that reads the input read the standardized one."""
    if layer["inputs"] is None:
        return layer
    names = [_NAME if name == "input" else name for name in layer["inputs"]]
    return layer | {"inputs": names}


def _moments(data: Dataset) -> tuple[list[float], list[float]]:
    count = min(len(data), _MOST)
    images = np.arange(count) * len(data) // count
    total = np.zeros(data.shape[0])
    squares = np.zeros(data.shape[0])
    numbers = 0
    for start in range(0, count, _AT_ONCE):
        x, _ = data.batch(images[start : start + _AT_ONCE])
        flat = x.reshape(len(x), data.shape[0], -1).astype(np.float64)
        total += flat.sum(axis=(0, 2))
        squares += np.square(flat).sum(axis=(0, 2))
        numbers += flat.shape[0] * flat.shape[2]
    mean = total / numbers
    deviation = np.sqrt(np.maximum(squares / numbers - np.square(mean), 0))
    # What rounding leaves of a constant channel is no deviation.
    constant = deviation <= 1e-6 * np.maximum(np.abs(mean), 1e-6)
    return mean.tolist(), np.where(constant, 1.0, deviation).tolist()
