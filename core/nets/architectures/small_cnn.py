"""Two convolutions and one dense layer: strong on digits with fewer than 100,000 parameters."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.nets.architectures.architecture import Architecture, ArchitectureSpec, net
from core.nets.layer import Shape
from core.nets.spec import NetSpec


class SmallCnnSpec(ArchitectureSpec):
    """Two convolutions and one dense layer."""

    architecture: Literal["small-cnn"]
    filters: list[int] = Field(
        default=[32, 64], min_length=2, max_length=2, description="Of the two convolutions."
    )
    dropout: float = Field(default=0.4, ge=0, lt=1, description="Before the dense layer.")


def build(spec: SmallCnnSpec, shape: Shape, outputs: int) -> NetSpec:
    """Return the net: 62,346 parameters for digits.

    Both kernels are 5 wide and nothing is padded, so that most of the work is done where the
    pictures are small already.

    Examples
    --------
    >>> from core.nets.network import Network
    >>> spec = build(SmallCnnSpec(architecture="small-cnn"), (1, 28, 28), 10)
    >>> Network(spec).parameter_count
    62346
    """
    layers: list[dict[str, object]] = []
    for filters in spec.filters:
        layers += [
            {"layer": "conv", "filters": filters, "kernel": 5},
            {"layer": "relu"},
            {"layer": "max_pool", "kernel": 2},
        ]
    return net(
        shape,
        [
            *layers,
            {"layer": "flatten"},
            {"layer": "dropout", "rate": spec.dropout},
            {"layer": "dense", "features": outputs},
        ],
    )


ARCHITECTURE = Architecture(
    name="small-cnn",
    spec=SmallCnnSpec,
    build=build,
    input=(1, 28, 28),
    outputs=10,
    summary="two convolutions, under 100,000 parameters",
)
