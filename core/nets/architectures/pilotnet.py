"""PilotNet, which steers a car by what its camera sees."""

from __future__ import annotations

from typing import Literal

from core.nets.architectures.architecture import Architecture, ArchitectureSpec, net
from core.nets.layer import Shape
from core.nets.spec import NetSpec


class PilotNetSpec(ArchitectureSpec):
    """PilotNet leaves no choice."""

    architecture: Literal["pilotnet"]


def build(spec: PilotNetSpec, shape: Shape, outputs: int) -> NetSpec:
    """Return PilotNet: 252,219 parameters and 26.88 million multiply-adds for 3 x 66 x 200.

    M. Bojarski et al., "End to end learning for self-driving cars", 2016. The paper's fixed
    normalisation is per image here; it does not name the nonlinearity, here the rectifier.

    Examples
    --------
    >>> from core.nets.network import Network
    >>> network = Network(build(PilotNetSpec(architecture="pilotnet"), (3, 66, 200), 1))
    >>> network.parameter_count, network.multiply_adds
    (252219, 26876342)
    """
    layers: list[dict[str, object]] = [{"layer": "whiten"}]
    for filters, kernel, stride in ((24, 5, 2), (36, 5, 2), (48, 5, 2), (64, 3, 1), (64, 3, 1)):
        conv = {"layer": "conv", "filters": filters, "kernel": kernel, "stride": stride}
        layers += [conv, {"layer": "relu"}]
    layers += [{"layer": "flatten"}]
    for features in (100, 50, 10):
        layers += [{"layer": "dense", "features": features}, {"layer": "relu"}]
    return net(shape, [*layers, {"layer": "dense", "features": outputs}])


ARCHITECTURE = Architecture(
    name="pilotnet",
    spec=PilotNetSpec,
    build=build,
    input=(3, 66, 200),
    outputs=1,
    summary="a steering angle from a camera (Bojarski et al. 2016)",
)
