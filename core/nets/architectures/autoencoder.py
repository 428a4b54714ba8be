"""A stacked convolutional autoencoder: what pictures look like, in few numbers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.errors import InvalidInput
from core.nets.architectures.architecture import Architecture, ArchitectureSpec, net
from core.nets.layer import Shape
from core.nets.spec import NetSpec


class AutoencoderSpec(ArchitectureSpec):
    """A stack of convolutions, each followed by halving, and the way back."""

    architecture: Literal["autoencoder"]
    filters: list[int] = Field(
        default=[16, 8],
        min_length=1,
        max_length=6,
        description="Of each convolution; pictures are halved after each.",
    )
    edges: bool = Field(
        default=False, description="Whether the encoder sees the Sobel magnitude of pictures."
    )


def build(spec: AutoencoderSpec, shape: Shape, outputs: int) -> NetSpec:
    """Return the autoencoder; the layer ``code`` is the output of its encoder.

    J. Masci et al., "Stacked convolutional auto-encoders for hierarchical feature extraction",
    2011. All layers are trained at once instead of one after the other.

    Parameters
    ----------
    spec : AutoencoderSpec
        The choices.
    shape : tuple of int
        Of one picture, ``(channels, *spatial)``; it comes out again.
    outputs : int
        Channels that come out.

    Raises
    ------
    InvalidInput
        If a side cannot be halved often enough.

    Examples
    --------
    >>> from core.nets.network import Network
    >>> network = Network(build(AutoencoderSpec(architecture="autoencoder"), (1, 28, 28), 1))
    >>> network.shapes["code"], network.output_shape
    ((8, 7, 7), (1, 28, 28))
    """
    step = 2 ** len(spec.filters)
    if len(shape) < 2 or any(side % step for side in shape[1:]):
        raise InvalidInput(
            f"an autoencoder that halves pictures {len(spec.filters)} times needs sides that allow"
            " it",
            field="input",
            given=shape,
            accepted=f"sides that are multiples of {step}",
        )
    layers: list[dict[str, object]] = []
    if spec.edges:
        layers += [{"layer": "filter", "kernel": {"preset": "sobel-magnitude"}}]
    for number, filters in enumerate(spec.filters, 1):
        last = number == len(spec.filters)
        layers += [
            {"layer": "conv", "filters": filters, "kernel": 3, "padding": "same"},
            {"layer": "relu"},
            {"layer": "max_pool", "kernel": 2, **({"name": "code"} if last else {})},
        ]
    for filters in (*reversed(spec.filters[:-1]), spec.filters[0]):
        layers += [
            {"layer": "conv_transpose", "filters": filters, "kernel": 2, "stride": 2},
            {"layer": "relu"},
        ]
    output = {"layer": "conv", "filters": outputs, "kernel": 3, "padding": "same"}
    return net(shape, [*layers, output])


ARCHITECTURE = Architecture(
    name="autoencoder",
    spec=AutoencoderSpec,
    build=build,
    input=(1, 28, 28),
    outputs=1,
    summary="pictures in few numbers and back (Masci et al. 2011)",
)
