"""Eight layers that predict where an expert plays next in Go."""

from __future__ import annotations

from typing import Literal

from core.nets.architectures.architecture import Architecture, ArchitectureSpec, net
from core.nets.layer import Shape
from core.nets.spec import NetSpec


class Go8Spec(ArchitectureSpec):
    """The net for Go leaves no choice."""

    architecture: Literal["go8"]


def build(spec: Go8Spec, shape: Shape, outputs: int) -> NetSpec:
    """Return the best net of the paper, without its sharing of weights between symmetries.

    C. Clark and A. Storkey, "Teaching deep convolutional neural networks to play Go", 2014: one
    convolution with 64 filters of 7 x 7, two with 64, two with 48 and two with 32 filters of
    5 x 5, all as large as the board, and a dense layer. The edge of the board is a channel of its
    own, so that zero padding does not look like empty points.

    Examples
    --------
    >>> from core.nets.network import Network
    >>> network = Network(build(Go8Spec(architecture="go8"), (7, 19, 19), 361))
    >>> network.shapes["edge_channel1"], network.parameter_count
    ((8, 19, 19), 4599273)
    """
    layers: list[dict[str, object]] = [{"layer": "edge_channel"}]
    for filters, kernel in ((64, 7), (64, 5), (64, 5), (48, 5), (48, 5), (32, 5), (32, 5)):
        conv = {"layer": "conv", "filters": filters, "kernel": kernel, "padding": "same"}
        layers += [conv, {"layer": "relu"}]
    return net(shape, [*layers, {"layer": "flatten"}, {"layer": "dense", "features": outputs}])


ARCHITECTURE = Architecture(
    name="go8",
    spec=Go8Spec,
    build=build,
    input=(7, 19, 19),
    outputs=361,
    summary="the next move in Go (Clark and Storkey 2014)",
)
