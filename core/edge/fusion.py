"""Layers that become one step: a convolution, the batch norm behind it, and the nonlinearity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.nets.graph import Node
from core.nets.layer import Weights

Numbers = NDArray[np.float32]

_LINEAR = ("conv", "conv_transpose", "dense")
_SIMPLE = ("relu", "leaky_relu")


def followers(nodes: Sequence[Node]) -> dict[int, list[Node]]:
    """Return the layers that are computed with another one, by the number of that one.

    They read nothing else, and nobody else reads what is between.

    Examples
    --------
    >>> from core.nets.graph import build
    >>> from core.nets.spec import NetSpec
    >>> layers = [{"layer": "dense", "features": 3}, {"layer": "relu"}, {"layer": "softmax"}]
    >>> nodes = build(NetSpec.model_validate({"input": [4], "layers": layers}))
    >>> {number: [node.name for node in found] for number, found in followers(nodes).items()}
    {0: ['relu1']}
    """
    readers = Counter(source for node in nodes for source in node.sources)
    after = {s: node for node in nodes for s in node.sources if readers[s] == 1}
    found: dict[int, list[Node]] = {}
    for node in nodes:
        chain: list[Node] = []
        at = node.index
        if node.layer.name in _LINEAR and _next(after, at) == "batch_norm":
            chain.append(after[at])
            at = after[at].index
        if node.layer.name in (*_LINEAR, "add") and _next(after, at) in _SIMPLE:
            chain.append(after[at])
        if chain:
            found[node.index] = chain
    return found


def _next(after: dict[int, Node], index: int) -> str | None:
    return after[index].layer.name if index in after else None


def scale_and_shift(node: Node, weights: Weights) -> tuple[Numbers, Numbers]:
    """Return what a batch norm multiplies each channel by, and adds, when it does not train."""
    spec, name = node.spec, node.name
    epsilon: float = spec.epsilon  # type: ignore[attr-defined]
    deviation = np.sqrt(np.asarray(weights[f"{name}.variance"], np.float64) + epsilon)
    scale = weights[f"{name}.weight"] / deviation
    shift = weights[f"{name}.bias"] - weights[f"{name}.mean"] * scale
    return scale.astype(np.float32), shift.astype(np.float32)


def folded(
    node: Node, chain: Sequence[Node], weights: Weights, outputs: int
) -> tuple[Numbers, Numbers]:
    """Return kernel and bias of a linear layer, a batch norm behind it included.

    Parameters
    ----------
    node : Node
        The layer.
    chain : sequence of Node
        Its followers.
    weights : mapping
        Of the net.
    outputs : int
        The axis of the kernel that counts the channels that come out.
    """
    kernel = np.asarray(weights[f"{node.name}.weight"], np.float32)
    bias = weights.get(f"{node.name}.bias", np.zeros(node.shape[0], np.float32))
    if chain and chain[0].layer.name == "batch_norm":
        scale, shift = scale_and_shift(chain[0], weights)
        axes = [1] * kernel.ndim
        axes[outputs] = -1
        kernel, bias = kernel * scale.reshape(axes), bias * scale + shift
    return kernel, np.asarray(bias, np.float32)


def activation(chain: Sequence[Node]) -> list[object] | None:
    """Return the nonlinearity at the end of the followers, as a step of a plan says it."""
    if not chain or chain[-1].layer.name not in _SIMPLE:
        return None
    spec = chain[-1].spec
    return [chain[-1].layer.name, float(getattr(spec, "slope", 0.0))]
