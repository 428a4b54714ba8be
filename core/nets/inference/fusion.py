"""The layers of a net as operations: what is nothing is left out, what can be folded is folded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from core.arrays import Array
from core.nets.graph import INPUT, Node, needed
from core.nets.layer import Shape, Weights
from core.nets.layers.batch_norm import BatchNormSpec
from core.nets.layers.conv_transpose import ConvTransposeSpec
from core.nets.layers.elu import EluSpec
from core.nets.layers.leaky_relu import LeakyReluSpec

Activation = Literal["identity", "relu", "leaky_relu", "elu", "tanh", "sigmoid"]

# Outside of training these change no number.
_NOTHING = ("flatten", "dropout", "identity")
_FILTERS = ("conv", "conv_transpose", "dense")
_PLAIN: dict[str, Activation] = {"relu": "relu", "tanh": "tanh", "sigmoid": "sigmoid"}
# Activations of one or two instructions, and layers whose kernels may end with them.
_CHEAP = ("relu", "leaky_relu")
_ACTIVATED = (*_FILTERS, "batch_norm", "add")


@dataclass(frozen=True)
class Operation:
    """One layer or several that are computed as one.

    Attributes
    ----------
    nodes : tuple of Node
        The layers, in order; the first says what is computed.
    sources : tuple of int
        The numbers of the values that it reads.
    weights : dict
        Parameters and state of the first, by name; batch norms behind it are folded in.
    activation : str
        What becomes of the outcome.
    parameter : float
        The slope of ``leaky_relu``, the ``alpha`` of ``elu``.
    """

    nodes: tuple[Node, ...]
    sources: tuple[int, ...]
    weights: dict[str, Array]
    activation: Activation = "identity"
    parameter: float = 0.0

    @property
    def node(self) -> Node:
        """The first layer."""
        return self.nodes[0]

    @property
    def result(self) -> int:
        """The number of the value that it makes: that of the last layer."""
        return self.nodes[-1].index

    @property
    def shape(self) -> Shape:
        """Of the result."""
        return self.nodes[-1].shape


@dataclass(frozen=True)
class Operations:
    """What a net computes.

    Attributes
    ----------
    steps : tuple of Operation
        In order.
    output : int
        The number of the value that is wanted.
    """

    steps: tuple[Operation, ...]
    output: int


def operations(nodes: Sequence[Node], weights: Weights, output: int) -> Operations:
    """Return the operations that compute the layer numbered ``output``.

    Layers that change no number are left out: what reads them reads what they read. A batch norm is
    folded into the convolution, transposed or not, or the dense layer before it, an activation into
    what has a kernel for it, where nothing else reads what is between.

    Examples
    --------
    >>> from core.nets.network import Network
    >>> from core.nets.spec import NetSpec
    >>> layers = [{"layer": "conv", "filters": 2, "kernel": 1}, {"layer": "batch_norm"}]
    >>> layers += [{"layer": "relu"}, {"layer": "flatten"}, {"layer": "softmax"}]
    >>> net = Network(NetSpec.model_validate({"input": [1, 4], "layers": layers}))
    >>> for step in operations(net.nodes, net.init(0), 4).steps:
    ...     print(step.node.name, step.activation, step.sources, step.result)
    conv1 relu (-1,) 2
    softmax1 identity (2,) 4
    """
    used = needed(nodes, output)
    readers = Counter(source for node in used for source in node.sources)
    alone = {index for index, count in readers.items() if count == 1 and index != output}
    stands_for = {INPUT: INPUT}
    made: dict[int, Operation] = {}
    for node in used:
        sources = tuple(stands_for[source] for source in node.sources)
        if node.layer.name in _NOTHING:
            stands_for[node.index] = sources[0]
            continue
        before = made.get(node.sources[0]) if node.sources[0] in alone else None
        one = _folded(before, node, weights) if before is not None else None
        if one is not None:
            del made[node.sources[0]]
        else:
            one = Operation((node,), sources, own_weights(node, weights))
        made[node.index] = one
        stands_for[node.index] = node.index
    return Operations(tuple(made.values()), stands_for[output])


def _folded(before: Operation, node: Node, weights: Weights) -> Operation | None:
    if before.activation != "identity":
        return None
    onto = before.node.layer.name
    if isinstance(node.spec, BatchNormSpec) and onto in _FILTERS:
        factor, constant = affine(node.spec, own_weights(node, weights))
        return _scaled(before, node, factor, constant)
    activation, parameter = activation_of(node)
    if activation in _CHEAP and onto in _ACTIVATED:
        return replace(
            before, nodes=(*before.nodes, node), activation=activation, parameter=parameter
        )
    return None


def activation_of(node: Node) -> tuple[Activation, float]:
    """Return the activation that a layer is, and its parameter; ``identity`` if it has no kernel.

    Examples
    --------
    >>> from core.nets.graph import build
    >>> from core.nets.spec import NetSpec
    >>> net = NetSpec.model_validate({"input": [4], "layers": [{"layer": "leaky_relu"}]})
    >>> activation_of(build(net)[0])
    ('leaky_relu', 0.01)
    """
    if isinstance(node.spec, LeakyReluSpec):
        return "leaky_relu", node.spec.slope
    if isinstance(node.spec, EluSpec):
        return "elu", node.spec.alpha
    return _PLAIN.get(node.layer.name, "identity"), 0.0


def affine(spec: BatchNormSpec, weights: Weights) -> tuple[Array, Array]:
    """Return what a batch norm multiplies each channel by outside of training, and what it adds.

    Examples
    --------
    >>> one = np.ones(1)
    >>> weights = {"weight": 3 * one, "bias": one, "mean": one, "variance": one}
    >>> spec = BatchNormSpec(layer="batch_norm", epsilon=1.0)
    >>> [round(float(found[0]), 3) for found in affine(spec, weights)]
    [2.121, -1.121]
    """
    factor = weights["weight"] / np.sqrt(weights["variance"] + spec.epsilon)
    return factor, weights["bias"] - weights["mean"] * factor


def _scaled(before: Operation, node: Node, factor: Array, constant: Array) -> Operation | None:
    weight = before.weights["weight"]
    with np.errstate(all="ignore"):
        scaled = weight * _by_filter(before, factor)
        bias = before.weights.get("bias", np.zeros_like(constant)) * factor + constant
    if not (np.isfinite(scaled).all() and np.isfinite(bias).all()):
        # One after the other they may well be finite.
        return None
    return replace(before, nodes=(*before.nodes, node), weights={"weight": scaled, "bias": bias})


def _by_filter(before: Operation, factor: Array) -> Array:
    """Return a factor for each filter in the shape of the weights."""
    weight, spec = before.weights["weight"], before.node.spec
    ones = (1,) * (weight.ndim - 2)
    if not isinstance(spec, ConvTransposeSpec):
        return factor.reshape(-1, 1, *ones)
    # (channels, filters of a group, *taps): channels of a group share theirs.
    of_groups = factor.reshape(spec.groups, -1, *ones)
    return np.repeat(of_groups, len(weight) // spec.groups, axis=0)


def own_weights(node: Node, weights: Weights) -> dict[str, Array]:
    """Return the parameters and the state of one layer, by their names in it."""
    return {name: weights[f"{node.name}.{name}"] for name in (*node.parameters, *node.state)}
