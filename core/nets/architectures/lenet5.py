"""LeNet-5, the net that read cheques."""

from __future__ import annotations

from typing import Literal

from core.nets.architectures.architecture import Architecture, ArchitectureSpec, net
from core.nets.layer import Shape
from core.nets.spec import NetSpec

# The paper puts 28 x 28 digits into pictures of 32 x 32.
_PAPER_SIDE = 32


class LeNet5Spec(ArchitectureSpec):
    """LeNet-5 with its original or its present-day nonlinearity and pooling."""

    architecture: Literal["lenet5"]
    activation: Literal["relu", "tanh"] = "relu"
    pooling: Literal["max_pool", "average_pool"] = "max_pool"


def build(spec: LeNet5Spec, shape: Shape, outputs: int) -> NetSpec:
    """Return LeNet-5: 61,706 parameters for digits.

    Y. LeCun et al., "Gradient-based learning applied to document recognition", 1998. As is usual
    today, the second convolution sees all channels instead of a chosen few, pooling has no
    parameters, and the last layer is dense. Pictures smaller than 32 x 32 get a border of 2.

    Examples
    --------
    >>> from core.nets.network import Network
    >>> spec = build(LeNet5Spec(architecture="lenet5"), (1, 28, 28), 10)
    >>> Network(spec).parameter_count
    61706
    """
    activation: dict[str, object] = {"layer": spec.activation}
    pooling: dict[str, object] = {"layer": spec.pooling, "kernel": 2}
    padding = 2 if min(shape[1:], default=0) < _PAPER_SIDE else 0
    return net(
        shape,
        [
            {"layer": "conv", "filters": 6, "kernel": 5, "padding": padding},
            activation,
            pooling,
            {"layer": "conv", "filters": 16, "kernel": 5},
            activation,
            pooling,
            {"layer": "flatten"},
            {"layer": "dense", "features": 120},
            activation,
            {"layer": "dense", "features": 84},
            activation,
            {"layer": "dense", "features": outputs},
        ],
    )


ARCHITECTURE = Architecture(
    name="lenet5",
    spec=LeNet5Spec,
    build=build,
    input=(1, 28, 28),
    outputs=10,
    summary="digits (LeCun et al. 1998)",
)
