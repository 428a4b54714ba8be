"""The residual net for pictures of 32 x 32."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.nets.architectures.architecture import Architecture, ArchitectureSpec, net
from core.nets.layer import Shape
from core.nets.spec import NetSpec

_STAGES = (16, 32, 64)


class ResNetSmallSpec(ArchitectureSpec):
    """A residual net of ``6 blocks + 2`` layers."""

    architecture: Literal["resnet-small"]
    blocks: int = Field(default=3, ge=1, le=18, description="Of each of the three stages.")


def build(spec: ResNetSmallSpec, shape: Shape, outputs: int) -> NetSpec:
    """Return the residual net: with 3 blocks that is ResNet-20, 272,474 parameters.

    K. He et al., "Deep residual learning for image recognition", 2015, section 4.2. Where a stage
    begins, the shortcut is a convolution of 1 x 1 (their option B), which is 2,752 parameters
    more than the paper's 0.27 million with option A.

    Examples
    --------
    >>> from core.nets.network import Network
    >>> spec = build(ResNetSmallSpec(architecture="resnet-small"), (3, 32, 32), 10)
    >>> Network(spec).parameter_count
    272474
    """
    layers: list[dict[str, object]] = [*_conv(_STAGES[0], 3), {"layer": "relu", "name": "start"}]
    before, channels = "start", _STAGES[0]
    for stage, filters in enumerate(_STAGES, 1):
        for block in range(1, spec.blocks + 1):
            name = f"stage{stage}-block{block}"
            stride = 2 if block == 1 and stage > 1 else 1
            layers += [
                *_conv(filters, 3, stride, inputs=[before]),
                {"layer": "relu"},
                *_conv(filters, 3, name=f"{name}-inner"),
            ]
            shortcut = before
            if filters != channels:
                shortcut = f"{name}-shortcut"
                layers += _conv(filters, 1, stride, inputs=[before], name=shortcut)
            layers += [
                {"layer": "add", "inputs": [f"{name}-inner", shortcut]},
                {"layer": "relu", "name": name},
            ]
            before, channels = name, filters
    layers += [{"layer": "global_average_pool"}, {"layer": "dense", "features": outputs}]
    return net(shape, layers)


def _conv(
    filters: int,
    kernel: int,
    stride: int = 1,
    *,
    inputs: list[str] | None = None,
    name: str | None = None,
) -> list[dict[str, object]]:
    """Return a convolution and its batch norm, whose shift makes a bias superfluous."""
    conv: dict[str, object] = {
        "layer": "conv",
        "filters": filters,
        "kernel": kernel,
        "stride": stride,
        "padding": kernel // 2,
        "bias": False,
        "inputs": inputs,
    }
    return [conv, {"layer": "batch_norm", "name": name}]


ARCHITECTURE = Architecture(
    name="resnet-small",
    spec=ResNetSmallSpec,
    build=build,
    input=(3, 32, 32),
    outputs=10,
    summary="small colour pictures, residual (He et al. 2015)",
)
