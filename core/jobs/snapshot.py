"""What the first convolution of a net has learned so far, small enough for an event of its job."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.nets.network import Network

# A report holds 2 KB; these are 1.4 KB of base64.
_MOST_TAPS = 1024


def filters(network: Network, weights: Mapping[str, NDArray[Any]]) -> dict[str, Any] | None:
    """Return the first filters of the first convolution of pictures, rounded to signed bytes.

    Parameters
    ----------
    network : Network
    weights : mapping of str to ndarray
        Its parameters.

    Returns
    -------
    dict or None
        ``shape`` (filters, channels, height, width), ``scale`` and ``values``: base64 of int8 in
        C order, which times ``scale`` are the taps, each off by half of it at most. Of many
        filters those are told that have 1024 taps together. None where there is no such layer, or
        a single filter has more taps.

    Examples
    --------
    >>> from core.nets.spec import NetSpec
    >>> conv = {"layer": "conv", "filters": 2, "kernel": 3}
    >>> network = Network(NetSpec.model_validate({"input": [1, 8, 8], "layers": [conv]}))
    >>> filters(network, network.init(0))["shape"]
    [2, 1, 3, 3]
    """
    first = next((node for node in network.nodes if node.layer.name == "conv"), None)
    if first is None:
        return None
    taps = weights[f"{first.name}.weight"]
    told = taps[: _MOST_TAPS // prod(taps.shape[1:])]
    if told.ndim != 4 or not told.size:
        return None
    scale = float(np.abs(told).max()) / 127 or 1.0
    levels = np.rint(told / scale).astype(np.int8)
    return {
        "shape": list(told.shape),
        "scale": scale,
        "values": base64.b64encode(levels.tobytes()).decode(),
    }
